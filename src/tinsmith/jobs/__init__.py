"""What state a job is in: the record, its state machine, the store."""
