"""The places a trust bundle is fetched from: file, bundle endpoint, Workload API, server API."""
