"""What is asked: pure data and functions that both halves of Tinsmith share."""
