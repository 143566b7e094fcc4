"""The external BundlePublisher plugin of SPIRE's server: SPIRE pushes the bundle, we publish it."""
