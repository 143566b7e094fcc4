"""`render`: see the documents without any sink."""

import click

from publisher.cli.flags import settings_of, typed
from publisher.settings.options import RENDER

HELP = """Print the documents that would be published, without any sink.

Fetches the bundle from --source and builds both documents as `publish` would, byte for byte. Nothing is
read from or written to a sink, so what is published already does not matter here.

Refused: a bundle that is malformed, empty, of another trust domain, or holds a private, weak or unknown
key. Nothing is repaired or left out.

\b
Exit status:
  0   printed
  2   a bad value on the command line
  65  a bundle that is unsafe to publish
  75  temporary, try again: source unreachable, timeout; standard output was not written
  78  settings: a bad value in environment or file, a source that is missing or must not be read
"""


@click.command(RENDER, help=HELP)
@settings_of(RENDER)
@click.pass_context
def render(context: click.Context, /, **values: object) -> None:
    """Print the documents."""
    from publisher.cli.rendering import RenderCommand  # noqa: PLC0415 (--help stays quick)
    from publisher.cli.session import run_command  # noqa: PLC0415

    context.exit(run_command(RenderCommand(), typed(values)))
