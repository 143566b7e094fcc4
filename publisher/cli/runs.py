"""Work on several publications at once, within a bound and a limit that holds whatever a library does."""

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from publisher.errors import ExitStatus, PublisherError
from publisher.last_net import unexpected
from publisher.logs import publication_name
from publisher.ports import Deadline

MOST_AT_ONCE = 16
"""How many publications are worked on at once."""

GRACE_SECONDS = 2.0
"""How long after the deadline a publication may still end by itself, with a better message than ours."""

SLICE_SECONDS = 0.25
"""How late, at most, a signal is answered."""

_V = TypeVar("_V")
_V_co = TypeVar("_V_co", covariant=True)


class OutOfTimeError(PublisherError):
    """Report a publication whose work had not ended when the time of the run was over."""

    exit_status = ExitStatus.TEMPORARY


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Generic[_V_co]):
    """Hold the work on one publication."""

    name: str | None
    do: Callable[[], _V_co]


class PublicationThread(threading.Thread):
    """Work on publications, one after the other. A daemon: a library that hangs must not hold the process."""

    @classmethod
    def any_left(cls) -> bool:
        """Tell whether one still works although nobody waits for it any more."""
        return any(isinstance(thread, cls) for thread in threading.enumerate())


def run_all(
    works: Sequence[Work[_V]], *, deadline: Deadline, grace: float = GRACE_SECONDS
) -> list[_V | PublisherError]:
    """Do all the work; give what each came to, in the order of `works`. One's failure stops no other's.

    Returns `grace` seconds after the deadline at the latest. Work that has not ended by then is
    `OutOfTimeError`, and its thread is left behind: no thread can be stopped from outside. The process
    should end then; what was half done is finished by the next run.
    """
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    ended: queue.SimpleQueue[tuple[int, _V | PublisherError]] = queue.SimpleQueue()
    for number in range(len(works)):
        todo.put(number)

    def work() -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                number = todo.get_nowait()
                ended.put((number, _attempt(works[number], deadline)))

    threads = [
        PublicationThread(target=work, name=f"publication {number}", daemon=True)
        for number in range(min(MOST_AT_ONCE, len(works)))
    ]
    for thread in threads:
        thread.start()
    results = _collect(
        len(works), ended, until=deadline.clock.monotonic() + deadline.remaining() + grace, deadline=deadline
    )
    if len(results) == len(works):
        for thread in threads:
            thread.join(grace)
    return [results[number] if number in results else _hangs(deadline) for number in range(len(works))]


def _collect(
    count: int,
    ended: "queue.SimpleQueue[tuple[int, _V | PublisherError]]",
    *,
    until: float,
    deadline: Deadline,
) -> dict[int, _V | PublisherError]:
    results: dict[int, _V | PublisherError] = {}
    while len(results) < count and (left := until - deadline.clock.monotonic()) > 0:
        # In slices: a signal that arrives just before the wait is only handled after it.
        with contextlib.suppress(queue.Empty):
            number, result = ended.get(timeout=min(left, SLICE_SECONDS))
            results[number] = result
    return results


def _attempt(work: Work[_V], deadline: Deadline) -> _V | PublisherError:
    publication_name.set(work.name)
    if deadline.passed:
        return OutOfTimeError(
            "--timeout",
            f"the {deadline.seconds:g} s of this run were over before this publication's turn",
            "run again, or raise --timeout",
        )
    try:
        return work.do()
    except PublisherError as error:
        return error
    except Exception as error:  # noqa: BLE001 (the last net: another publication is still due)
        return unexpected(error)


def _hangs(deadline: Deadline) -> OutOfTimeError:
    return OutOfTimeError(
        "--timeout",
        f"no end within {deadline.seconds:g} s; a write may have been done or not",
        "run again: the next run finishes it; raise --timeout if it lasts",
    )
