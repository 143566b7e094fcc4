"""Walk the chain of a workload from its agent to Google, and stop at the first broken link."""
