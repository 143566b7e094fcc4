"""`gcp credential-config`: the external-account file of a workload."""

import click

from publisher.cli.flags import flags_of, typed
from publisher.settings.gcp_options.credential_config import NAME, OPTIONS

HELP = """Write the credential configuration of a workload: the file that Google's libraries are pointed to.

It says which provider to go to, how the SVID is got, and which service account to become, if any. There are
three ways:

\b
  executable  the libraries run gcp token for each exchange; needs this program beside the workload
  file        they read the JWT-SVID that gcp svid-files --watch keeps fresh in --folder
  x509        they use the X.509-SVID that it keeps there, over mutual TLS; needs an X.509 provider

Nothing is asked of SPIRE or Google, and the file holds no secret: mode 0644. But it decides which program the
workload runs, so only its administrator should be able to write it. A file that is there is replaced only if
it is a credential configuration. With --write-to, standard output gets what the workload needs besides: its
environment variables as lines for a shell, and what has to run as comments. Without, it gets the file, and
the log says the same.

CLOUDSDK_API_ENDPOINT_OVERRIDES_STS, _STS_MTLS and _IAMCREDENTIALS, if set, go into the file.

\b
Exit status:
  0   written
  2   a bad value on the command line
  75  temporary, try again: standard output or the file was not written
  78  settings: a bad value in the environment, a file that may not be written or is something else
"""


@click.command(NAME, help=HELP)
@flags_of(OPTIONS)
@click.pass_context
def command(context: click.Context, /, **values: object) -> None:
    """Write one configuration."""
    from publisher.cli.gcp.config_writing import write  # noqa: PLC0415 (--help stays quick)
    from publisher.cli.gcp.running import run_gcp  # noqa: PLC0415

    context.exit(run_gcp(NAME, typed(values), write))
