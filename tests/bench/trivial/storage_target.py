"""The trivial target, and the import that whoever reads a bucket pays for."""

from google.cloud import storage

from target import serve

__all__ = ["serve", "storage"]
