"""`check`: read the public URL as a relying party does."""

import click

from publisher.cli.flags import settings_of, typed
from publisher.settings.options import CHECK

HELP = """Check an issuer's public URL as a relying party reads it.

Reads the configuration document, the JWKS document that it names, and the manifest, over verified https and
without following redirects. Reports what the standards, the known relying parties and the manifest's own
times have to say: each finding with a code (docs/findings.md), a severity and a remedy. An issuer that
cannot be reached is a finding of severity error. Nothing is written or repaired.

\b
Exit status:
  0   no finding of the severity of --fail-on or above
  1   at least one such finding
  2   a bad value on the command line
  75  no end within --timeout
  78  settings: a bad value in environment or file
"""


@click.command(CHECK, help=HELP)
@settings_of(CHECK)
@click.pass_context
def check(context: click.Context, /, **values: object) -> None:
    """Check a public URL."""
    from publisher.cli.checking import CheckCommand  # noqa: PLC0415 (--help stays quick)
    from publisher.cli.session import run_command  # noqa: PLC0415

    context.exit(run_command(CheckCommand(), typed(values)))
