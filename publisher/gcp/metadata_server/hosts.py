"""Who may be asked for: the names under which a metadata server is known, and no other.

A page of a stranger can be led to this server by a name that resolves to its address (DNS rebinding). Such a
request has that name as its Host, and is refused for it, before anything else is looked at.
"""

import re
from typing import Final

NAMES: Final = frozenset(
    {"metadata.google.internal", "metadata", "169.254.169.254", "127.0.0.1", "localhost", "[::1]"}
)
"""The hosts that Google's libraries, and people, write."""

_HTTP = 80
_HOST = re.compile(r"(\[[0-9a-f:]{2,45}\]|[a-z0-9.-]{1,253})(?::([0-9]{1,5}))?", re.ASCII)


def is_of_this_machine(remote: str, local: str) -> bool:
    """Tell whether a connection, by the addresses of its two ends, comes from this machine.

    What is sent to the loopback can come from nowhere else. 169.254.169.254 is an address as any other to the
    kernel: it takes connections to it from every network, and a neighbour needs but a route. A process of
    this machine that connects there has that address as its own, too, unless it chose another.
    """
    return local in {remote, "::1"} or local.startswith("127.") or remote.startswith("127.")


def is_ours(host: str, port: int) -> bool:
    """Tell whether a Host field names this server, listening at `port`.

    Without a port, or with 80, it is what a client says whose traffic to 169.254.169.254 is redirected here.
    """
    match = _HOST.fullmatch(host.lower())
    if match is None:
        return False
    # The library for Node asks metadata.google.internal. with the final dot of an absolute name.
    name = match[1].removesuffix(".") if match[1].endswith("internal.") else match[1]
    return name in NAMES and (match[2] is None or int(match[2]) in (port, _HTTP))
