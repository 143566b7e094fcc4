"""Run one `gcp` command: its log, its settings, and what an error of ours ends it with."""

import os
import sys
from collections.abc import Callable, Mapping

from publisher import logs
from publisher.cli.finding_log import log_error
from publisher.cli.printing import is_coloured
from publisher.errors import ExitStatus, PublisherError
from publisher.settings.gcp import GcpReader


def run_gcp(command: str, typed: Mapping[str, object], work: Callable[[GcpReader], ExitStatus]) -> ExitStatus:
    """Call `work` with a reader of everything that was given; log an error, and end with its status.

    `typed` is what `publisher.cli.flags.typed` gives. The log goes to standard error, as `--verbose` and
    `--quiet` say where the command has these options.
    """
    reader = GcpReader(command=command, command_line=typed, environment=os.environ)
    _configure_logs(verbose=False, quiet=False)
    try:
        verbose, quiet = (reader.has(name) and bool(reader.value(name)) for name in ("verbose", "quiet"))
        _configure_logs(verbose=verbose, quiet=quiet)
        return work(reader)
    except PublisherError as error:
        log_error(error)
        return error.exit_status


def _configure_logs(*, verbose: bool, quiet: bool) -> None:
    logs.configure(sys.stderr, verbose=verbose, quiet=quiet, colour=is_coloured(sys.stderr, os.environ))
