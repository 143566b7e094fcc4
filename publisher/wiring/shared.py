"""What several publications of one run have in common: made once, fetched once."""

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from publisher.bundle.fetched import Fetched
from publisher.errors import PublisherError
from publisher.ports import Deadline, Source

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


class Once(Generic[_T]):
    """Make something once for all threads; who comes while it is made waits, and shares its failure."""

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[_T] = []
        self._error: PublisherError | None = None

    def get(self) -> _T:
        """Give what was made, or raise what its making raised.

        Raises:
            PublisherError: as the maker did.

        """
        with self._lock:
            if self._error is not None:
                raise self._error
            if not self._made:
                try:
                    self._made.append(self._make())
                except PublisherError as error:
                    self._error = error
                    raise
            return self._made[0]

    def forget(self, close: Callable[[_T], object]) -> None:
        """Close what was made, if it was."""
        with self._lock:
            while self._made:
                close(self._made.pop())


class SharedFetches:
    """Fetch one source for several publications: the first fetch of each of them is the same fetch.

    Who fetches again wants a newer answer, so the second fetches are one of their own.
    """

    def __init__(self, make: Callable[[], Source], *, only_once: bool) -> None:
        self._source = Once(make)
        self._only_once = only_once  # standard input is empty after the first time
        self._lock = threading.Lock()
        self._rounds: list[Once[Fetched]] = []

    def fetch(self, number: int, deadline: Deadline) -> Fetched:
        """Give the answer of that round, from 0.

        Raises:
            SourceError: as the source did; every publication of the round gets the same.
            BundleError: likewise.

        """
        number = 0 if self._only_once else number
        with self._lock:
            while len(self._rounds) <= number:
                self._rounds.append(Once(lambda: self._fetch(deadline)))
        return self._rounds[number].get()

    def _fetch(self, deadline: Deadline) -> Fetched:
        fetched = self._source.get().fetch(deadline)
        _LOG.debug(
            "fetched %d JWT authorities of %s, sequence number %s, from %s",
            len(fetched.bundle.jwt_authorities),
            fetched.bundle.trust_domain,
            fetched.bundle.sequence_number,
            fetched.source,
        )
        return fetched


class SharedSource:
    """Be the source of one publication among several that share its fetches."""

    def __init__(self, shared: SharedFetches) -> None:
        self._shared = shared
        self._round = 0

    def fetch(self, deadline: Deadline) -> Fetched:
        """Fetch, or take what another publication of this run has fetched already.

        Raises:
            SourceError: no answer, or none that may be used.
            BundleError: an answer whose content is unsafe to publish.

        """
        number, self._round = self._round, self._round + 1
        return self._shared.fetch(number, deadline)
