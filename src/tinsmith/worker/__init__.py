"""Who does it: claims jobs and runs the compiler in a sandbox."""
