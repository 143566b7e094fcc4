"""The messages of SPIRE's plugin interfaces that we need; `make protocol` renews the generated modules."""
