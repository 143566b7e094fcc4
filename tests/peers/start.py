"""Start a peer by its kind. The only module that knows both."""

import atexit

from tests.peers.peer import PeerOptions, SpirePeer
from tests.peers.programs import ABSENT, SpirePrograms, find_spire

STANDIN, SPIRE = "stand-in", "SPIRE"
KINDS = (STANDIN, SPIRE)
"""The kinds of peer that every scenario runs on."""


class AbsentError(Exception):
    """Report that this machine has no real SPIRE."""


def start_peer(kind: str, options: PeerOptions | None = None) -> SpirePeer:
    """Start a peer of that kind; whoever starts it calls `stop`.

    Raises:
        AbsentError: SPIRE is asked for and is not there.
        PeerError: it did not start.

    """
    # Each kind is imported when it is used: the stand-in needs none of real SPIRE's set-up.
    chosen = options or PeerOptions()
    if kind == STANDIN:
        from tests.peers.standin_peer import StandinPeer  # noqa: PLC0415

        peer: SpirePeer = StandinPeer(chosen)
    else:
        programs = find_spire()
        if programs is None:
            raise AbsentError(ABSENT)
        from tests.peers.real_peer import RealPeer  # noqa: PLC0415

        peer = RealPeer(chosen, programs)
    atexit.register(peer.stop)
    return peer


def best_kind() -> str:
    """Choose real SPIRE where the machine has it, else the stand-in."""
    return SPIRE if find_spire() else STANDIN


def describe(programs: SpirePrograms | None) -> str:
    """Say in one line which peers a run has."""
    if programs is None:
        return f"stand-in only ({ABSENT})"
    return f"stand-in and SPIRE {programs.version} at {programs.server.parent}"
