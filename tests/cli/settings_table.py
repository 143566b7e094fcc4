"""The reference table of `docs/settings.md`, made from the option table."""

from publisher.settings.options import OPTIONS, Kind, Option, Scope

BEGIN, END = "<!-- options: made from publisher/settings/options.py -->", "<!-- end of options -->"
HEAD = "| option | environment | TOML member | default | of | meaning |\n|---|---|---|---|---|---|\n"
_PLACES = {
    Scope.PUBLICATION: "`{member}`, in a table or above all",
    Scope.RUN: "`{member}`, above all tables",
    Scope.CALL: "none",
    Scope.OVERRIDE: "none",
}


def table() -> str:
    """Give the whole table, a row for each option."""
    return HEAD + "".join(_row(option) for option in OPTIONS)


def _row(option: Option) -> str:
    flag = f"--{option.name}` / `--no-{option.name}" if option.kind is Kind.PAIR else option.flag
    names = f"`{flag}`" + (f", `{option.short}`" if option.short else "")
    if option.kind is Kind.CHOICE:
        names += f" {' or '.join(f'`{choice}`' for choice in option.choices)}"
    elif option.metavar:
        names += f" `{option.metavar}`".replace("|", "\\|")
    variable = "none" if option.scope is Scope.OVERRIDE else f"`{option.variable}`"
    member = _PLACES[option.scope].format(member=option.member)
    cells = (names, variable, member, _default(option), ", ".join(option.commands), option.meaning)
    return "| " + " | ".join(cells) + " |\n"


def _default(option: Option) -> str:
    if option.required_by:
        return "required"
    smallest, largest = option.bounds
    bounds = f" ({smallest} to {largest})" if smallest else ""
    return f"`{option.default}`{bounds}" if option.default else option.absent


if __name__ == "__main__":
    print(table(), end="")  # noqa: T201 (to paste into the reference)
