"""The messages of the Workload API by which a workload gets its SVIDs."""
