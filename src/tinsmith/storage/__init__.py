"""Bytes in and out: S3, archives, the embedded store."""
