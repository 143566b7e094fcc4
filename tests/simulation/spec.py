"""A world's parameters: who serves, who publishes, and what happens how often."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class HostSpec:
    """One publisher. `every` is the timer's interval; of a `watching` one that of its polls (server API).

    `lag` is how far behind the datastore its server may read.
    """

    source: str = "workload-api"
    watching: bool = False
    every: float = 60.0
    confirm_every: float = 300.0
    remembers: bool = False
    replica: int = 0
    lag: float = 0.0

    @property
    def source_delay(self) -> float:
        return 10.0 if self.source == "workload-api" else self.lag

    @property
    def interval(self) -> float:
        """Give the longest time between two looks at the source."""
        if not self.watching:
            return self.every + 1.0
        return 2.0 if self.source == "workload-api" else self.every + 2.0


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One named world. `happens` gives the mean seconds between two events of a kind (`operators.py`)."""

    name: str
    about: str
    hosts: tuple[HostSpec, ...]
    ca_ttl: float = 3600.0
    replicas: int = 1
    keeps_keys: bool = True
    days: float = 2.0
    happens: Mapping[str, float] = field(default_factory=dict)
    loses_replies: float = 0.0
    token_every: float = 120.0
    tested_days: float = 0.5
    """How many days `make test` lets it last; 0 leaves it to `make simulate`."""
