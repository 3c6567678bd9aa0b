"""The part of the frontend that runs in the environment of PyTorch: it imports torch and nothing of ours."""
