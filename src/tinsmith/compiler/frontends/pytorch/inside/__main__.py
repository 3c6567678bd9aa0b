"""Runs in the environment of PyTorch, which has nothing of ours: `python -I inside COMMAND JOB`."""

from torchside.main import main

main()
