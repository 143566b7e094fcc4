"""`spire-plugin`: what SPIRE's server starts; `spire-plugin-config`: what goes into its configuration."""

import click

HELP = """Publish the bundle that SPIRE's server pushes, as one of its BundlePublisher plugins.

spire-server starts this, not a person: `spire-oidc-publisher spire-plugin-config` prints what belongs into
server.conf. There are no options: settings are the members of plugin_data, and SPIRE's environment is none of
them. It listens on a unix socket in a folder of its own, and ends with the server.
"""

CONFIG_HELP = """Print the part of server.conf that runs this installation as a BundlePublisher plugin.

With the checksum of the program, by which spire-server refuses to start another one; after an upgrade of this
program, print it again. Nothing else is read, and nothing is written or fetched.
"""


@click.command("spire-plugin", help=HELP)
@click.pass_context
def spire_plugin(context: click.Context) -> None:
    """Be the plugin."""
    from publisher.spire_plugin.supervisor import become, may_run  # noqa: PLC0415 (--help stays quick)

    if not may_run():
        context.exit(2)
    become()


@click.command("spire-plugin-config", help=CONFIG_HELP)
@click.option("--sink", metavar="URI", default="gs://my-bucket", help="Where the documents are written.")
@click.option(
    "--issuer",
    metavar="URL",
    help="The exact https URL in the iss of the JWT-SVIDs.  [default: the URL of the bucket]",
)
@click.option("--name", metavar="NAME", default="oidc", help="The plugin's name in SPIRE's log.")
@click.pass_context
def spire_plugin_config(context: click.Context, /, sink: str, issuer: str | None, name: str) -> None:
    """Print the configuration."""
    from publisher.cli.printing import put  # noqa: PLC0415 (--help stays quick)
    from publisher.spire_plugin.configuration import configuration, find_program  # noqa: PLC0415

    put(configuration(find_program(), sink=sink, issuer=issuer, name=name))
    context.exit(0)
