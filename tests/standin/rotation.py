"""The life of one server's authorities: two slots and the two thresholds of SPIRE's CA manager."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tests.standin.keys import PrivateKey

_DAY = 86400.0
_LONGEST_PREPARATION, _LONGEST_ACTIVATION = 30 * _DAY, 7 * _DAY


class State(StrEnum):
    """Name where an authority is in its life, in SPIRE's words."""

    PREPARED = "prepared"
    ACTIVE = "active"
    OLD = "old"


@dataclass(slots=True, kw_only=True)
class Slot:
    """Hold one authority whose private key this server has. Times are Unix seconds."""

    authority_id: str
    private_key: PrivateKey
    issued_at: float
    not_after: float
    state: State = State.PREPARED

    @property
    def prepare_next_at(self) -> float:
        """Tell when the next one is added to the bundle: half a life before the end, at most 30 days."""
        return self.not_after - min((self.not_after - self.issued_at) / 2, _LONGEST_PREPARATION)

    @property
    def activate_next_at(self) -> float:
        """Tell when the next one starts to sign: a sixth of a life before the end, at most 7 days."""
        return self.not_after - min((self.not_after - self.issued_at) / 6, _LONGEST_ACTIVATION)


class LifeError(Exception):
    """Refuse an operation that SPIRE refuses in this state, in its words."""


class Rotation:
    """Rotate the authorities of one kind. `make` creates one and adds it to the bundle at once."""

    def __init__(self, make: Callable[[float], Slot]) -> None:
        self._make = make
        self.current: Slot | None = None
        self.other: Slot | None = None

    def prepare(self, now: float) -> Slot:
        """Add an authority. Whatever the other slot held is forgotten there, though not in the bundle."""
        slot = self._make(now)
        if self.current is None:
            self.current = slot
        else:
            self.other = slot
        return slot

    def activate(self) -> Slot:
        """Let the prepared authority sign from now on; the one that did is old.

        Raises:
            LifeError: none is prepared.

        """
        if self.other is None or self.other.state is not State.PREPARED:
            raise LifeError("only Prepared authorities can be activated")
        if self.current is not None:
            self.current.state = State.OLD
        self.current, self.other = self.other, self.current
        self.current.state = State.ACTIVE
        return self.current

    def rotate(self, now: float) -> None:
        """Do what has become due by `now`; what a server does at start and every ten seconds."""
        if self.current is None:
            # No lead time: the first authority, and the one after lost keys, is prepared and active at once.
            self.prepare(now).state = State.ACTIVE
        current = self.current
        if current is None:
            return
        if not self._prepared and now >= current.prepare_next_at:
            self.prepare(now)
        if now >= current.activate_next_at:
            self.activate()

    def next_event(self) -> float:
        """Tell the moment at which `rotate` has something to do."""
        if self.current is None:
            return 0.0
        return self.current.activate_next_at if self._prepared else self.current.prepare_next_at

    def old(self) -> Slot:
        """Give the authority that signed before this one, the only one that may be tainted.

        Raises:
            LifeError: there is none.

        """
        if self.other is None or self.other.state is not State.OLD:
            raise LifeError("only Old local authorities can be tainted")
        return self.other

    def forget(self) -> None:
        """Lose both private keys."""
        self.current = self.other = None

    @property
    def _prepared(self) -> bool:
        return self.other is not None and self.other.state is State.PREPARED
