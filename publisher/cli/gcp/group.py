"""`gcp`: the group of the commands for the Google side; each is imported only when it is called."""

from importlib import import_module

import click

GCP_HELP = """Set up, use and check Google's Workload Identity Federation with SPIFFE identities.

`setup` makes the pool and the provider that trust this trust domain; `credential-config`, `token`,
`svid-files` and `metadata-server` give workloads credentials of Google for their SVIDs; `doctor` says which
link of the chain is broken.
"""

SHORT_HELP = {
    "setup": "Print, compare or make the pool and the provider that trust a SPIFFE trust domain.",
    "credential-config": "Write the credential configuration of a workload, for Google's libraries.",
    "token": "Give Google's libraries a JWT-SVID: the program of an executable-sourced credential.",
    "svid-files": "Keep JWT-SVID, X.509-SVID, key and chain fresh in files.",
    "metadata-server": "Answer like Compute Engine's metadata server, for SPIFFE workloads.",
    "doctor": "Walk the chain from the agent to Google and stop at the first broken link.",
}
"""Each command, in the order of `--help`; its code is `command` in the module of its name."""


class LazyGroup(click.Group):
    """Import a command's module when the command is called, and not for the help of the group."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Give their names, in the table's order."""
        return list(SHORT_HELP)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Import one command; None: there is none of that name."""
        if name not in SHORT_HELP:
            return None
        command: click.Command = import_module(f"publisher.cli.gcp.{name.replace('-', '_')}").command
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of the help, importing nothing."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SHORT_HELP.items()))


@click.group(
    "gcp", cls=LazyGroup, help=GCP_HELP, short_help="The Google side: providers, tokens, metadata server."
)
def gcp() -> None:
    """Hold the commands of the Google side."""
