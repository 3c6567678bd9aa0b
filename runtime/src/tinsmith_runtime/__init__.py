"""Load and run the libraries that Tinsmith compiles."""
