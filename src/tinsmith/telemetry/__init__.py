"""What the service tells of its jobs: logs, metrics and events, in the forms that existing tools read."""
