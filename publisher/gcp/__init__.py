"""The Google side of Workload Identity Federation: providers, credentials, tokens, a metadata server."""
