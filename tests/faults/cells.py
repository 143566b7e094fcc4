"""Every fault at every place, once and for ever: the run that meets it, what it leaves, the next run."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from publisher.oidc.issuer import MANIFEST_PATH
from publisher.publication.document_set import sha256
from tests.emulator.fault_proxy import FaultProxy, running_fault_proxy
from tests.faults.catalogue import FAULTS, SLOW, lasting
from tests.faults.places import NAMES, PATHS, PLACES, Action, Place
from tests.faults.publishing import Publisher, Run
from tests.faults.store import Objects

AT_ONCE = 16
"""Publications in one process: as many as it works on at once, so that none waits for another's fault."""
PROCESSES = 5
LASTING_SECONDS = 4
ONCE_SECONDS = 30
SLOW_SECONDS = 14
"""More than one attempt may take, so that there is time for a second one."""
GRACE_SECONDS = 2.0
START_SECONDS = 8.0
"""What a process may take besides, on a machine that is busy with others like it."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One fault at one place."""

    fault: str
    place: Place
    is_lasting: bool

    def __str__(self) -> str:
        return f"{self.fault}, {'lasting' if self.is_lasting else 'once'}, at the {self.place}"

    def inject(self, proxy: FaultProxy, prefix: str) -> list[str]:
        """Have it happen to the publication at `bucket/prefix`; give a list that tells what was struck."""
        fault, is_here = FAULTS[self.fault], self.place.within(prefix)
        struck: list[str] = []

        def where(method: str, named: str) -> bool:
            if is_here(method, named):
                struck.append(named)
                return True
            return False

        proxy.inject(replace(lasting(fault) if self.is_lasting else fault, where=where))
        return struck


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a cell came to. `first` and `second` are the JSON of its run and of the next, ordinary one."""

    cell: Cell
    first: dict[str, Any]
    second: dict[str, Any]
    log: str
    after_first: Objects
    after_second: Objects
    old: Objects
    new: Objects
    struck: bool

    @property
    def new_objects(self) -> list[bool]:
        """Which of the three are new, in the order of writing."""
        return [is_new(path, self.after_first[path], self.old, self.new) for path in PATHS]

    @property
    def outcome(self) -> str:
        """What the run came to, in the words of the page."""
        return f"{self.first['exit_status']}, {self._state()}"

    def _state(self) -> str:
        number, place = sum(self.new_objects), self.cell.place
        if self.first["exit_status"] == 0 and number == len(PATHS):
            return "published"
        if place.action is not Action.READ and number in (place.number, place.number + 1):
            return "stops before it" if number == place.number else "stops after it"
        return f"{' and '.join(NAMES[:number])} new" if number else "nothing changed"


def is_new(path: str, body: bytes, old: Objects, new: Objects) -> bool:
    """Tell the generation of an object. A manifest has times, and is as new as the documents that it lists.

    Raises AssertionError for a body of neither generation.
    """
    if path == MANIFEST_PATH and body != old[path]:
        listed = {one["path"]: one["sha256"] for one in json.loads(body)["documents"]}
        assert listed == {path: sha256(new[path]) for path in PATHS[:2]}, body
        return True
    assert body in (old[path], new[path]), f"{path} is neither old nor new: {body!r}"
    return body == new[path]


@dataclass(kw_only=True)
class Runs:
    """Runs cells, a dozen in one process, some processes at once."""

    publisher: Publisher
    old: Objects = field(init=False)
    new: Objects = field(init=False)
    lasted: list[tuple[int, Run]] = field(default_factory=list)
    """What each process was allowed, and how it ended."""

    def __post_init__(self) -> None:
        self.old, self.new = self.publisher.both_generations()

    def run(self, cells: Sequence[Cell], *, patience: int = 1) -> list[Seen]:
        """Run cells, each allowed `patience` times as long as a machine without other work needs."""
        # Those that are allowed the same time share processes; the longest begin.
        seconds = sorted(
            {_seconds(cell) for cell in cells}, key=(SLOW_SECONDS, LASTING_SECONDS, ONCE_SECONDS).index
        )
        numbered = [(f"p{patience}-{number}", cell) for number, cell in enumerate(cells)]
        batches = [
            batch
            for allowed in seconds
            for batch in _batches([one for one in numbered if _seconds(one[1]) == allowed])
        ]
        with ThreadPoolExecutor(PROCESSES) as pool:
            return [
                seen for batch in pool.map(lambda one: self._batch(one, patience), batches) for seen in batch
            ]

    def _batch(self, batch: Sequence[tuple[str, Cell]], patience: int) -> list[Seen]:
        store = self.publisher.store
        prefixes = [prefix for prefix, _ in batch]
        seconds = _seconds(batch[0][1]) * patience
        for prefix in prefixes:
            store.put(prefix, self.old)
        with ExitStack() as stack:
            proxy = stack.enter_context(running_fault_proxy(store.emulator))
            struck = {prefix: cell.inject(proxy, f"{store.bucket}/{prefix}") for prefix, cell in batch}
            first = self.publisher.publish(prefixes, proxy.environment, timeout=seconds)
        self.lasted.append((seconds, first))
        after_first = {prefix: store.get(prefix) for prefix in prefixes}
        second = self.publisher.publish(prefixes, store.emulator.environment)
        return [
            Seen(
                cell=cell,
                first=first.publications[prefix],
                second=second.publications[prefix],
                log=first.ran.err,
                after_first=after_first[prefix],
                after_second=store.get(prefix),
                old=self.old,
                new=self.new,
                struck=bool(struck[prefix]),
            )
            for prefix, cell in batch
        ]


def all_cells() -> list[Cell]:
    return [
        Cell(fault=fault, place=place, is_lasting=is_lasting)
        for fault in FAULTS
        for place in PLACES
        for is_lasting in (False, True)
    ]


def _seconds(cell: Cell) -> int:
    if cell.is_lasting:
        return LASTING_SECONDS
    return SLOW_SECONDS if cell.fault in SLOW else ONCE_SECONDS


def _batches(numbered: Sequence[tuple[str, Cell]]) -> Iterator[list[tuple[str, Cell]]]:
    left = iter(numbered)
    while batch := list(islice(left, AT_ONCE)):
        yield batch
