"""`publish`: the main job."""

import click

from publisher.cli.flags import settings_of, typed
from publisher.settings.options import PUBLISH

HELP = """Publish a SPIRE trust bundle as OpenID Connect discovery documents.

Fetches the bundle from --source, writes the JWKS document, then the configuration document, then a
manifest below --sink, each only over what was read before, and reads them at the public URL. With nothing
to change, only the manifest is confirmed. Run it often: every few minutes from a timer.

Refused, and nothing is changed: a bundle that is malformed, empty, of another trust domain, or holds a
private, weak or unknown key; one that shares no key with what is published (--accept-disjoint-keys); one of
a lower sequence number (--accept-lower-sequence); another --jwks-path or issuer than the published one; an
issuer that does not belong to the bucket.

Repaired at once, and reported as an error: keys at the sink that neither SPIRE nor an earlier run put
there; another issuer or jwks_uri. Finished, with a warning: what an interrupted run left.

--dry-run writes nothing, and its findings are in the words of the run. It cannot know everything that the
run would meet: neither a missing permission to create or delete in a bucket, nor a bucket that is missing
where the store reports that like a missing object.

Every option but the two overrides can also be given as environment variable
SPIRE_OIDC_PUBLISHER_<LONG_OPTION>, or in the TOML file of --config; the command line counts before the
environment, the environment before the file. Several [[publication]] tables are published side by side; of
several exit statuses 65 counts before 78, 78 before 75, 75 before 0.

\b
Exit status:
  0   done, or nothing to do
  2   a bad value on the command line
  65  a bundle that is unsafe to publish, or that may not replace what is published
  75  temporary, try again: source or sink unreachable, timeout, lost races, disk full; or the public URL
      does not serve what was published
  78  settings: a bad value in environment or file, a missing permission, bucket or directory
"""


@click.command(PUBLISH, help=HELP)
@settings_of(PUBLISH)
@click.pass_context
def publish(context: click.Context, /, **values: object) -> None:
    """Publish once."""
    from publisher.cli.publishing import PublishCommand  # noqa: PLC0415 (--help stays quick)
    from publisher.cli.session import run_command  # noqa: PLC0415

    context.exit(run_command(PublishCommand(), typed(values)))
