"""What `watch` does before its service runs: settings, all of them or none."""

import gc
import logging
from collections.abc import Mapping

from publisher.cli.finding_log import log_error
from publisher.cli.opening import Opening
from publisher.cli.session import gravest
from publisher.errors import PublisherError
from publisher.settings.options import WATCH
from publisher.settings.run import RunSettings, Selected
from publisher.settings.targets import PublishTarget, refuse_clashes
from publisher.settings.watch_target import read_watch_target

_GARBAGE_THRESHOLD = 5_000
"""How many new objects make the collector look for cycles; `main` sets what suits a process of one second."""

_LOG = logging.getLogger(__name__)


def run_watch(typed: Mapping[str, object]) -> int:
    """Run from what was typed to the exit status of the process.

    Nothing begins before every publication's settings are good: a service that runs half configured looks
    well from outside, and the other half is missed when its keys rotate.
    """
    opening: Opening[PublishTarget] = Opening(WATCH, typed)
    try:
        run, selected = opening.read(read_watch_target, _forbid)
    except PublisherError as error:
        log_error(error)
        return error.exit_status
    bad = [(one.name, one.settings) for one in selected if isinstance(one.settings, PublisherError)]
    if bad:
        for name, refused in bad:
            log_error(refused, name=name)
        _LOG.error("%d of %d publications have bad settings: nothing is begun", len(bad), len(selected))
        return gravest(refused.exit_status for _, refused in bad)
    from publisher.cli.service import Service, notifier  # noqa: PLC0415 (bad settings are told quickly)
    from publisher.wiring.watching import WatchWiring  # noqa: PLC0415

    try:
        service = Service(selected, WatchWiring.of(run), notifier(), _keep_what_is_there)
    except PublisherError as error:
        log_error(error)
        return error.exit_status
    gc.set_threshold(_GARBAGE_THRESHOLD)
    return service.run()


def _keep_what_is_there() -> None:
    """Let the collector look no more at what all the libraries made: each time took a tenth of a second."""
    gc.collect()
    gc.freeze()


def _forbid(selected: tuple[Selected[PublishTarget], ...], _run: RunSettings) -> None:
    refuse_clashes(selected)
