"""What is different about executing a network: its inputs, its reference, its tolerances."""
