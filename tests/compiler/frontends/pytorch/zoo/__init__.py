"""Models that tests build with PyTorch in its toolchain: this package imports torch and nothing of ours."""
