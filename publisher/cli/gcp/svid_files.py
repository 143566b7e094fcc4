"""`gcp svid-files`: SVIDs in files, kept fresh."""

import click

from publisher.cli.flags import flags_of, typed
from publisher.settings.gcp_options.svid_files import NAME, OPTIONS

HELP = """Keep the JWT-SVID and the X.509-SVID of this process in files, for the ways file and x509.

Once, or with --watch until told to stop. The agent pushes X.509-SVIDs, and renews at half of their life; the
JWT-SVID is asked for once half of its life is over, a little later at random.

\b
  jwt_svid.token           the JWT-SVID, without a line feed
  svid.pem svid_key.pem    certificate with intermediates, and key
  credential_bundle.pem    both in one file
  trust_chain.pem          the intermediates, empty if there are none
  svid_bundle.pem          the X.509 authorities of the trust domain
  certificate_config.json  what --way x509 points Google's libraries to
  current                  the folder of certificate and key that belong together

Every file is replaced as a whole, durably. Certificate and key change at once, with the link `current`: read
both in it after opening it once, or read the bundle, or follow certificate_config.json, as Google's libraries
do; then a new certificate never meets an old key. What was replaced stays for a minute. Modes are 0600, with
--group 0640. A folder that others may write in, or that is a symbolic link, is refused; so is a second
process on the same folder.

An agent that is away is waited for; the files stay as they are until they run out, which is logged. Removing
the registration entry takes no file away: what is there lives to its end. Under systemd (Type=notify) READY
is said once all files are there, and STATUS says until when they live. SIGTERM and SIGINT end it within 5 s.

\b
Exit status:
  0         written, or stopped by SIGTERM or SIGINT
  2         a bad value on the command line
  65        something that is not SPIRE answers
  75        temporary, try again: no agent, no registration yet, another process on the folder, a full disk
  78        settings: a bad value in the environment, several identities, a folder that is not safe
"""


@click.command(NAME, help=HELP)
@flags_of(OPTIONS)
@click.pass_context
def command(context: click.Context, /, **values: object) -> None:
    """Keep SVIDs in files."""
    from publisher.cli.gcp.running import run_gcp  # noqa: PLC0415 (--help stays quick)
    from publisher.cli.gcp.svid_keeping import keep  # noqa: PLC0415

    context.exit(run_gcp(NAME, typed(values), keep))
