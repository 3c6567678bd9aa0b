"""C for CPUs, built by zig cc."""
