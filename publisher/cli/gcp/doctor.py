"""`gcp doctor`: which link of a workload's chain is broken."""

import click

from publisher.cli.flags import flags_of, typed
from publisher.settings.gcp_options.doctor import NAME, OPTIONS

HELP = """Walk the chain of a workload stage by stage, and stop at the first broken link with its remedy.

Run it as the workload runs: same machine or pod, same user, same environment. It looks at the agent, the
registration, the JWT-SVID (iss, kid, algorithm, audience, times), the provider, the issuer's documents and
the key in them, both clocks, subject and condition, then makes the real exchange at Google's token service,
impersonates the service account, and makes one harmless call (--call). With --way x509 it looks at the
X.509-SVID and its path to the provider's trust store instead, and exchanges over mutual TLS. Where files hold
the SVID, those are read instead of the agent. Nothing is changed anywhere.

Provider and pool are read from the IAM API with the Application Default Credentials; where they may not, the
options are believed (--issuer), and what depends on it is `unknown`: that breaks nothing, and Google's answer
to the exchange decides. So is what cannot be seen from this machine. Mapping and condition are worked out
where they are what gcp setup makes.

"Error connecting to the given credential's issuer." means several things at Google. They are told apart by
looking ourselves: an issuer without public address or unreadable from here too, keys that were published a
moment ago while Google has older ones, flaws of the documents; what is left is an issuer that is unreachable
from outside, which nobody can see from here.

Standard output has one line a stage, or with --output json one object: stages (name, result, looked_at, said,
remedy, code, notes), not_reached, hints. Tokens and keys are never shown.

\b
Exit status:
  0   no stage is broken
  1   a stage is broken
  2   a bad value on the command line
  75  temporary, try again: Google does not answer, or answers that it cannot just now
  78  settings: a bad value in the environment, a credential configuration that is none
"""


@click.command(NAME, help=HELP)
@flags_of(OPTIONS)
@click.pass_context
def command(context: click.Context, /, **values: object) -> None:
    """Look once."""
    from publisher.cli.gcp.examining import work  # noqa: PLC0415 (--help stays quick)
    from publisher.cli.gcp.running import run_gcp  # noqa: PLC0415

    context.exit(run_gcp(NAME, typed(values), work))
