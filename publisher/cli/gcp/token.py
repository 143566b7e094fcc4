"""`gcp token`: the program of an executable-sourced credential."""

from typing import Any, NoReturn

import click

from publisher.cli.flags import flags_of, typed
from publisher.settings.gcp_options.token import OPTIONS

HELP = """Give Google's libraries a JWT-SVID of this process: the program of an executable-sourced credential.

`gcp credential-config --way executable` writes the configuration that calls it; by hand it is for trying.
The audience comes from GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE, which the libraries set, unless --audience is given.
Of a process with several identities one must be chosen: the wrong one is another principal to Google.

Standard output gets one JSON object and standard error gets nothing, whatever happens: the libraries read
both as one. The JWT-SVID is asked of the agent, which keeps it for half of its life. A good answer goes to
GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE too (mode 0600), which the libraries read until shortly before its expiry
instead of calling this program; that file is left out, in silence, if other users could write in its folder.

\b
A failure is an answer, too: {"version":1,"success":false,"code":...,"message":...}. Its codes:
  NOT_REGISTERED      the agent has no identity for this process, or not yet
  SEVERAL_IDENTITIES  it has several, and none was chosen
  NO_SUCH_IDENTITY    it has not the one that was chosen
  NO_ISSUER           the JWT-SVID has no iss: set jwt_issuer at the SPIRE server
  UNAVAILABLE         no agent, no answer in time, or a token that has run out
  USAGE, SETTINGS     a bad option, a bad environment variable or socket
  UNEXPECTED          a mistake in this program

\b
Exit status:
  0   always, failures too, unlike all other commands: the libraries read the answer only then
"""


class TokenCommand(click.Command):
    """Answer even a bad command line as the libraries want it."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Make the context; what click refuses becomes an answer."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as refused:
            _answer_usage(refused)


@click.command("token", cls=TokenCommand, help=HELP)
@flags_of(OPTIONS)
@click.pass_context
def command(context: click.Context, /, **values: object) -> None:
    """Answer once."""
    from publisher.cli.gcp.answering import Streams, answer  # noqa: PLC0415 (--help stays quick)

    with Streams() as streams:
        streams.put(answer(typed(values)))
    context.exit(0)


def _answer_usage(refused: click.UsageError) -> NoReturn:
    from publisher.cli.gcp.answering import Streams, answer_usage  # noqa: PLC0415 (--help stays quick)

    with Streams() as streams:
        streams.put(answer_usage(refused))
    raise click.exceptions.Exit(0)
