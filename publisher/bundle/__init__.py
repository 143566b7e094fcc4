"""What SPIRE says: trust domain, JWT authorities, trust bundle, and the formats they arrive in."""
