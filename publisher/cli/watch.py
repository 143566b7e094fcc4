"""`watch`: publish at every change, as a service."""

import click

from publisher.cli.flags import settings_of, typed
from publisher.settings.options import WATCH

HELP = """Publish whenever the trust bundle changes, until told to stop.

Does what publish does, in rounds: one at the start, one whenever the source has news, one every
--confirm-every, one when the machine slept or its clock was set. The Workload API pushes its news; the
server API and files are asked every --poll-every; a bundle endpoint at its own refresh hint, between
--shortest-refresh and --longest-refresh. News that come during a round, or within a second after it, are
one more round: the newest wins.

A round that fails is tried again after 1 s, then ever later, up to a minute. What publish refuses, watch
refuses: it is logged and tried again every minute, and at every change of the bundle. There are no overrides
here: a person runs publish with one, once, beside this service, and the next round finds it published. An
agent whose server is dead confirms nothing: the publication becomes due, then stale, and says so.

Each round may take --timeout. One that hangs in a library is left behind, and that publication waits for its
end; the others go on. After five minutes of that the service ends with 75, to be restarted. Several
[[publication]] tables have a loop each, 16 rounds at a time; equal sources are listened to once. If the
settings of one publication are bad, nothing is begun.

The log is on standard error, standard output stays empty. Errors and refusals are logged at every round,
other findings when they appear. Under systemd (Type=notify) READY is said when the loops run, WATCHDOG while
they turn, whether or not publishing succeeds; how that stands is in STATUS and in the metrics.

SIGTERM and SIGINT end it within 5 s; a round in its middle is given 4 s. SIGHUP is logged and does nothing:
settings are read at the start, restart for new ones. Credentials and CA files are read anew after a failure.

\b
Exit status:
  0         stopped by SIGTERM or SIGINT, no round was cut off
  2         a bad value on the command line
  75        a round hung, or a loop was stuck: restart it
  78        settings: a bad value in environment or file, an address for metrics that cannot be had
  130, 143  stopped by SIGINT, SIGTERM in the middle of a round; the next start finishes what was begun
"""


@click.command(WATCH, help=HELP)
@settings_of(WATCH)
@click.pass_context
def watch(context: click.Context, /, **values: object) -> None:
    """Publish at every change."""
    from publisher.cli.watching import run_watch  # noqa: PLC0415 (--help stays quick)

    context.exit(run_watch(typed(values)))
