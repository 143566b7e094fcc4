"""Where in a publication a fault strikes: the eight requests of a run that writes all three objects."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH

PATHS = ("keys", CONFIGURATION_PATH, MANIFEST_PATH)
NAMES = ("JWKS", "configuration", "manifest")


class Action(StrEnum):
    READ = "read"
    WRITE = "write"
    READ_BACK = "read back"


@dataclass(frozen=True, kw_only=True)
class Place:
    """One request of a run. `number` is the object's, in the order in which they are written."""

    action: Action
    number: int

    def __str__(self) -> str:
        return f"{self.action} of {NAMES[self.number]}"

    def within(self, prefix: str) -> Callable[[str, str], bool]:
        """Recognise this request among those of a run, given where the run publishes: `bucket/prefix`."""
        mine, written = f"{prefix}/{PATHS[self.number]}", False

        def is_here(method: str, named: str) -> bool:
            nonlocal written
            if named != mine:
                return False
            if method == "POST":
                written = True
                return self.action is Action.WRITE
            match self.action:
                case Action.READ:
                    return True
                case Action.READ_BACK:
                    return written
                case Action.WRITE:
                    return False

        return is_here


PLACES = (
    *(Place(action=Action.READ, number=number) for number in range(3)),
    *(Place(action=Action.WRITE, number=number) for number in range(3)),
    *(Place(action=Action.READ_BACK, number=number) for number in range(2)),
)
