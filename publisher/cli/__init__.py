"""The command line: one file for each command, all made from the option table."""

from publisher.cli.entry import main

__all__ = ["main"]
