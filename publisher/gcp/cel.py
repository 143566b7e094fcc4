"""Write pieces of Google's Common Expression Language so that they mean one thing."""

from publisher.errors import PublisherError
from publisher.quoting import quote

_PAIRS = {")": "(", "]": "[", "}": "{"}
_REMEDY = "write one condition in CEL on one line, such as assertion.aud == 'x'"


class CelError(PublisherError):
    """Refuse a piece of CEL that could not stand in parentheses."""


def string_literal(text: str) -> str:
    """Write a string literal of CEL.

    Raises:
        CelError: a character that is not printable; none of ours has one.

    """
    if not text.isprintable():
        raise CelError(f"text {quote(text)}", "has characters that are not printable", "leave them out")
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def refuse_unbalanced(expression: str) -> None:
    """Raise unless an expression stays one within parentheses.

    `a) || (b` would turn `pinned && (a) || (b)` into something that is not pinned, and a comment would
    swallow what closes it. Whether it is a good expression, Google says.

    Raises:
        CelError: unbalanced brackets, a literal without end, a comment, control characters, or nothing.

    """

    def refused(what: str) -> CelError:
        return CelError(f"condition {quote(expression)}", what, _REMEDY)

    if not expression.strip() or not expression.isprintable():
        raise refused("is empty or has characters that are not printable")
    opened: list[str] = []
    position = 0
    while position < len(expression):
        character = expression[position]
        if character in "'\"":
            end = _end_of_literal(expression, position)
            if end is None:
                raise refused("has a string without end")
            position = end
            continue
        if expression.startswith("//", position):
            raise refused("has a comment")
        if character in _PAIRS.values():
            opened.append(character)
        elif character in _PAIRS and (not opened or opened.pop() != _PAIRS[character]):
            raise refused("closes a bracket that it did not open")
        position += 1
    if opened:
        raise refused("leaves a bracket open")


def _end_of_literal(expression: str, start: int) -> int | None:
    """Find the position after the string literal that opens at `start`; None: it does not end."""
    quotes = (
        expression[start] * 3 if expression.startswith(expression[start] * 3, start) else expression[start]
    )
    # After `r` or `R`, perhaps with `b` or `B`, and not as the end of a name, a backslash is plain.
    letters = start
    while letters and (expression[letters - 1].isalnum() or expression[letters - 1] == "_"):
        letters -= 1
    raw = expression[letters:start].lower() in {"r", "br", "rb"}
    position = start + len(quotes)
    while position < len(expression):
        if expression[position] == "\\" and not raw:
            position += 2
        elif expression.startswith(quotes, position):
            return position + len(quotes)
        else:
            position += 1
    return None
