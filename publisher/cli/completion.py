"""`completion`: the script that teaches a shell our commands and options."""

import click

PROGRAM = "spire-oidc-publisher"
"""The command's name, which the scripts complete."""

VARIABLE = "_SPIRE_OIDC_PUBLISHER_COMPLETE"
"""The variable by which a script asks this program for completions."""

HELP = """Print a shell's completion script.

\b
  bash   eval "$(spire-oidc-publisher completion bash)"   in ~/.bashrc
  zsh    eval "$(spire-oidc-publisher completion zsh)"    in ~/.zshrc
  fish   spire-oidc-publisher completion fish > ~/.config/fish/completions/spire-oidc-publisher.fish

Nothing is read, written or fetched.
"""


@click.command("completion", help=HELP)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a completion script."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415 (--help stays quick)

    from publisher.cli.printing import put  # noqa: PLC0415

    script = get_completion_class(shell)
    assert script is not None  # click has all three
    put(script(context.find_root().command, {}, PROGRAM, VARIABLE).source() + "\n")
