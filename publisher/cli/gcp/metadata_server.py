"""`gcp metadata-server`: what Google's libraries find on a Compute Engine machine, for SPIFFE workloads."""

import click

from publisher.cli.flags import flags_of, typed
from publisher.settings.gcp_options.metadata_server import NAME, OPTIONS

HELP = """Answer like Compute Engine's metadata server, so that Google's libraries need no configuration.

Workloads set GCE_METADATA_HOST and GCE_METADATA_IP to the address of --listen, or find it at 169.254.169.254.
They get access tokens and id tokens for SPIFFE identities: a JWT-SVID is exchanged at Google's STS, then,
with a service account, at IAM. Tokens are kept in memory, renewed 5 minutes ahead, and exchanged once however
many ask. While STS or the agent is down, what is kept is given as long as it is valid, then 503 with the
reason.

Without --identities everybody who reaches the address is answered as this very process: one identity for one
machine or one pod. With --identities each process is answered as itself: on every request the process behind
the connection is found in the kernel's tables, the agent is asked for its JWT-SVID over the Delegated
Identity API, and it is made sure that it is still that process. Who is not registered, not in the file, in
another network namespace, or not one user beyond doubt, is answered 403 with the reason. That needs
CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, the host's pid and user namespaces, and this server's SPIFFE ID in
the agent's authorized_delegates.

As at Google: Metadata-Flavor: Google is demanded, X-Forwarded-For is refused. Unlike there: requests for
other hosts than the metadata server's names are refused, and so is every request that could be read in two
ways.

\b
Exit status:
  0    stopped by SIGTERM or SIGINT
  2    a bad value on the command line
  75   the server's thread has ended: restart it
  78   settings: a bad value in the environment, a bad file, an address that cannot be had, a capability
"""


@click.command("metadata-server", help=HELP)
@flags_of(OPTIONS)
@click.pass_context
def command(context: click.Context, /, **values: object) -> None:
    """Serve until told to stop."""
    from publisher.cli.gcp.metadata_serving import work  # noqa: PLC0415 (--help stays quick)
    from publisher.cli.gcp.running import run_gcp  # noqa: PLC0415

    context.exit(run_gcp(NAME, typed(values), work))
