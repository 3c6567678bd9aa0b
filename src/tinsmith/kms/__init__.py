"""Keys that encrypt objects: what AWS KMS does for symmetric keys, kept in the service's own database."""
