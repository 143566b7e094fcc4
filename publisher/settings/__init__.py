"""Flags, environment and TOML, parsed once into typed settings."""
