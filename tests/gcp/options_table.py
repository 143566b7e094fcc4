"""The reference page of the options of `gcp`, made from the option tables."""

from publisher.settings.gcp import GCP_COMMANDS, gcp_options_of
from publisher.settings.option import Kind, Option, Scope

HEAD = """# Options of the gcp commands

Made from the option tables by `python -m tests.gcp.options_table`. The command line counts before the
environment, the environment before the default; no settings file is read. Lists are written with commas.
"""
ROWS = "\n| option | environment | default | meaning |\n|---|---|---|---|\n"


def page() -> str:
    """Give the whole page, a table for each command."""
    return HEAD + "".join(f"\n## gcp {command}\n{ROWS}{_rows(command)}" for command in GCP_COMMANDS)


def _rows(command: str) -> str:
    return "".join(_row(option, command) for option in gcp_options_of(command))


def _row(option: Option, command: str) -> str:
    flag = f"--{option.name}` / `--no-{option.name}" if option.kind is Kind.PAIR else option.flag
    names = f"`{flag}`" + (f", `{option.short}`" if option.short else "")
    if option.kind is Kind.CHOICE:
        names += " " + " or ".join(f"`{choice}`" for choice in option.choices)
    elif option.metavar:
        names += f" `{option.metavar}`"
    variable = "none" if option.scope is Scope.OVERRIDE else f"`{option.variable}`"
    cells = (names, variable, _default(option, command), option.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _default(option: Option, command: str) -> str:
    if command in option.required_by:
        return "required"
    smallest, largest = option.bounds
    bounds = f" ({smallest} to {largest})" if smallest else ""
    return f"`{option.default}`{bounds}" if option.default else option.absent + bounds


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 (to write into the reference)
