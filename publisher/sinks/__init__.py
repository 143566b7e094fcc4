"""Where a publication is written: a directory, a bucket; and the file that remembers it."""
