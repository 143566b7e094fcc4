"""The messages of SPIRE's gRPC interfaces that we read; `make protocol` renews the generated modules."""
