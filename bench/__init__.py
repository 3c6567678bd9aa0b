"""The side-by-side benchmark: our libraries and the peers in one process, interleaved."""
