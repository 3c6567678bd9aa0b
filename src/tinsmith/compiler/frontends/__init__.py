"""The customer's files become the IR; one module per framework."""
