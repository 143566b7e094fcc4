"""What a JWT-SVID for Google may be for.

This module imports nothing of weight, so that `--help` is quick.
"""

from publisher.settings.values import BadValueError

_LONGEST = 256


def audience(text: str) -> str:
    """Check an audience: 1 to 256 printable ASCII characters, the most that a provider takes.

    Raises:
        BadValueError: for anything else.

    """
    if not text.isascii() or not text.isprintable() or not 0 < len(text) <= _LONGEST:
        raise BadValueError(
            f"is not 1 to {_LONGEST} printable ASCII characters", "write what the provider allows"
        )
    return text
