"""What Google's libraries find on a Compute Engine machine, for workloads of SPIFFE: a metadata server."""
