"""The library and its metadata become a deterministic tarball."""
