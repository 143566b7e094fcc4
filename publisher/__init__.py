"""Publish a SPIRE trust bundle as OpenID Connect discovery documents, without a server."""

__version__ = "0.1.0"
