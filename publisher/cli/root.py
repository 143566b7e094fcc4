"""The command that holds the commands."""

import click

from publisher import __version__
from publisher.cli.check import check
from publisher.cli.completion import PROGRAM, completion
from publisher.cli.explain import explain
from publisher.cli.gcp.group import gcp
from publisher.cli.publish import publish
from publisher.cli.render import render
from publisher.cli.spire_plugin import spire_plugin, spire_plugin_config
from publisher.cli.watch import watch

HELP = """Publish a SPIRE trust bundle as OpenID Connect discovery documents, without a server.

A relying party that knows nothing but the issuer URL can then verify JWT-SVIDs. Keys are mirrored exactly:
never added, never left out, never replaced by a set that would lock everybody out.
"""


@click.group(
    PROGRAM,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name=PROGRAM)
def root() -> None:
    """Hold the commands."""


for _command in (publish, watch, render, check, explain, spire_plugin, spire_plugin_config, gcp, completion):
    root.add_command(_command)
