"""`gcp setup`: the pool and the provider that trust a trust domain."""

import click

from publisher.cli.flags import flags_of, typed
from publisher.settings.gcp_options.setup import OPTIONS

HELP = """Set up Google's Workload Identity Federation for a SPIFFE trust domain.

Prints, as gcloud commands, Terraform or JSON, the pool and the provider that let its workloads in, and the
IAM members that stand for them. Nothing is asked of Google, unless --compare or --apply is given: then what
is there is read with the Application Default Credentials, the difference is shown, and --apply creates what
lacks and changes what differs, and reads it back. Nothing is ever deleted; a pool or provider that is
deleted or disabled is refused; names, descriptions and keys that were uploaded stay as they are.

The subject. google.subject has at most 127 bytes, and a SPIFFE ID may have 2048. It is the whole SPIFFE ID,
or, where --longest-spiffe-id says that this does not fit, what follows the pinned beginning, so that two
workloads never share a subject. A single part, such as split('/')[3], is not offered: it makes one subject
of /a/b and /a/c. What fits neither way is refused.

The condition pins spiffe://TRUST-DOMAIN/ with its final slash (and --path-prefix, if given): without it,
TRUST-DOMAIN.attacker.example would be let in. --condition adds to it and cannot loosen it.

With --x509 the trust store has the X.509 authorities of the bundle: at most 3, self-signed, RSA of 2048 to
4096 bits, P-256 or P-384. It mirrors the bundle, in which SPIRE has the next root before it signs and the
old one until nobody needs it: so run this again at every rotation (see --setup-every). Expired ones are left
out, more than 3 are refused. A trust store that would lose all its anchors at once is refused
(--accept-disjoint-anchors), and so is one that would lose a valid anchor newer than all of the bundle: a
source that has fallen behind, such as an agent without its server, looks like that (--accept-lost-anchors).

A timer takes --trust-store-only: it compares and changes the trust store of a provider that is there, and
neither its mapping, condition and members nor the pool, whatever the environment says of them; nothing is
created. The intermediates that are there stay, unless --intermediates gives others.

\b
Exit status:
  0   printed; compared, and nothing differs; applied, and read back
  1   compared, and something differs
  2   a bad value on the command line
  65  X.509 authorities that make no trust store
  75  temporary, try again: the source, Google or a disk does not answer
  78  settings: a bad value in the environment, a missing permission, a pool or provider that is deleted,
      disabled, of another kind or (--trust-store-only) not there, an organization policy that forbids it,
      a change that needs one of the overrides
"""


@click.command("setup", help=HELP)
@flags_of(OPTIONS)
@click.pass_context
def command(context: click.Context, /, **values: object) -> None:
    """Set up a pool and a provider."""
    from publisher.cli.gcp.running import run_gcp  # noqa: PLC0415 (--help stays quick)
    from publisher.cli.gcp.setting_up import work  # noqa: PLC0415

    context.exit(run_gcp("setup", typed(values), work))
