"""What comes before a command's work: its settings, its log, its publications."""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from publisher import logs
from publisher.cli.printing import is_coloured
from publisher.settings.layers import Layers, Reader
from publisher.settings.run import (
    RunSettings,
    Selected,
    read_file,
    read_output,
    read_run,
    select,
    unknown_variables,
)

_LOG = logging.getLogger(__name__)
_S = TypeVar("_S")


@dataclass(slots=True)
class Opening(Generic[_S]):
    """Read what was typed, the environment and the file.

    `as_json` is whether JSON is wanted as far as is known: an error on the way is told in it.
    """

    command: str
    typed: Mapping[str, object]
    as_json: bool = False

    def read(
        self,
        read: Callable[[Reader], _S],
        forbid: Callable[[tuple[Selected[_S], ...], RunSettings], object],
    ) -> tuple[RunSettings, tuple[Selected[_S], ...]]:
        """Read the settings of the run and of each of its publications, and configure the log by them.

        `forbid` raises what is wrong with the publications beside each other.

        Raises:
            UsageError: a bad value on the command line.
            SettingsError: one in the environment or the file.

        """
        layers = Layers(command=self.command, command_line=self.typed, environment=os.environ)
        _configure_logs(verbose=False, quiet=False)
        self.as_json, verbose, quiet = read_output(layers)
        _configure_logs(verbose=verbose, quiet=quiet)
        layers = replace(layers, file=read_file(layers))
        self.as_json = read_output(layers)[0]
        run = read_run(layers)
        _configure_logs(verbose=run.verbose, quiet=run.quiet)
        for name in unknown_variables(layers.environment):
            _LOG.warning("environment variable %s names no option; see docs/settings.md", name)
        selected = select(layers, read)
        forbid(selected, run)
        return run, selected


def _configure_logs(*, verbose: bool, quiet: bool) -> None:
    logs.configure(sys.stderr, verbose=verbose, quiet=quiet, colour=is_coloured(sys.stderr, os.environ))
