"""Show text from outside: escaped, quoted, shortened."""

LONGEST = 120


def quote(text: object, longest: int = LONGEST) -> str:
    """Render outside text as one printable line of at most about `longest` characters.

    Control characters, line breaks, lone surrogates and everything beyond ASCII are escaped, so that
    a hostile `kid` can neither forge a log line nor move a cursor. Never raises for a value that was
    parsed from outside: one that cannot be shown is named by its type.
    """
    try:
        shown = ascii(text[: longest + 1] if isinstance(text, str | bytes) else text)
    except (RecursionError, ValueError):  # nested too deeply; an integer of too many digits
        return f"<{type(text).__name__}>"
    return shown if len(shown) <= longest + 2 else shown[:longest] + "..."
