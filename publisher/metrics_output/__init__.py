"""Where the metrics of a run go: to a file of Prometheus' node exporter, and to a listener on loopback."""
