"""What relying parties read: issuer, JWKS document, configuration document, and what each accepts."""
