"""The commands of `gcp`: one thin file for each, imported when it is called."""
