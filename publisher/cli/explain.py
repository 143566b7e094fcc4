"""`explain`: one rotation on a time line."""

import click

from publisher.cli.flags import settings_of, typed
from publisher.settings.options import EXPLAIN

HELP = """Explain one key rotation: what happens when, and whether every key has its lead time.

A relying party must have a key before it sees the first token of it. From --ca-ttl follows how long SPIRE
keeps a new key in the bundle before it signs (the lead time); from the other options, how long the key may
need to every relying party, each delay at its worst. Prints both, what is left (the margin), what to change
where it is thin, and how long a revoked key may still be accepted. --picture draws the same.

Nothing is fetched, read from a sink or published: neither SPIRE nor a bucket is needed. --config takes the
delays of its publications. For `watch` on the Workload API, type --run-interval 0s.

\b
Exit status:
  0   explained; every key has its lead time, be it thin
  1   explained; with these settings a key may sign before every relying party has it
  2   a bad value on the command line
  75  temporary, try again: standard output or the picture was not written
  78  settings: a bad value in environment or file, a folder for the picture that is missing or forbidden
"""


@click.command(EXPLAIN, help=HELP)
@settings_of(EXPLAIN)
@click.pass_context
def explain(context: click.Context, /, **values: object) -> None:
    """Explain one rotation."""
    from publisher.cli.explaining import ExplainCommand  # noqa: PLC0415 (--help stays quick)
    from publisher.cli.session import run_command  # noqa: PLC0415

    context.exit(run_command(ExplainCommand(), typed(values)))
