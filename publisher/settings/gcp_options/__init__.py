"""The options of the `gcp` commands, a file for each: `OPTIONS`, in the order of `--help`."""
