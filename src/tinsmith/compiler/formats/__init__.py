"""Byte formats that several frontends share."""
