"""Tokens by identity: kept while they are good, renewed ahead, one exchange however many ask."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from publisher.gcp.metadata_server.errors import NotGivenError, UnavailableError
from publisher.ports import Clock

RENEW_BEFORE: Final = timedelta(minutes=5)
"""How long before its end a token is renewed in the background; of a short life it is the last third."""

WAIT_BEFORE: Final = timedelta(minutes=1)
"""How long before its end a caller waits for the new one; of a short life it is the last tenth."""

MOST_IDENTITIES: Final = 1000
"""The most identities whose tokens are kept; the one that asked longest ago gives way."""

MOST_TOKENS: Final = 32
"""The most tokens of one identity: combinations of scopes, and audiences. Others of it give way."""

MOST_EXCHANGES: Final = 4
"""The most exchanges of one identity at once, so that one workload does not take all of them."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
"""Seconds after a failed exchange in which its reason is repeated instead of asking again; then doubled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Say which token: an access token with these scopes, or, with an audience, an id token.

    `account` is the service account to act as; None is the federated identity itself. `full` asks for the
    e-mail address in an id token.
    """

    account: str | None
    scopes: tuple[str, ...] = ()
    audience: str | None = None
    full: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Hold a token and its life."""

    value: str = field(repr=False)
    issued: datetime
    expires: datetime


_LOG = logging.getLogger(__name__)

Exchange = Callable[[Wanted, Callable[[], str]], Token]
"""Exchange the JWT-SVID that the callable gives. Raises nothing but `NotGivenError`; may take its time."""


@dataclass(slots=True)
class _Place:
    token: Token | None = None
    flight: "asyncio.Future[Token] | None" = None
    error: NotGivenError | None = None
    again_at: float = 0.0
    pause: float = FIRST_PAUSE

    def usable(self, now: datetime) -> Token | None:
        return self.token if self.token and now < self.token.expires else None


class Tokens:
    """Keep tokens. Everything here happens in one event loop; only exchanges run elsewhere."""

    def __init__(self, exchange: Exchange, executor: Executor, clock: Clock) -> None:
        self._exchange = exchange
        self._executor = executor
        self._clock = clock
        self._shelves: OrderedDict[str, OrderedDict[Wanted, _Place]] = OrderedDict()

    def find(self, identity: str, wanted: Wanted, subject: Callable[[], str]) -> Token | Awaitable[Token]:
        """Give a token of this identity, at once if one is kept.

        `subject` gives the JWT-SVID of exactly this identity; it is called in a thread, if at all. A token is
        given as long as it is valid, even if a renewal fails.

        Raises:
            NotGivenError: now or when awaited: there is none, and why.

        """
        place = self._place(identity, wanted)
        now = self._clock.now()
        token = place.usable(now)
        if token is not None and now < token.expires - _part(token, RENEW_BEFORE, 3):
            return token
        if place.flight is None and self._clock.monotonic() >= place.again_at:
            self._start(identity, wanted, place, subject)
        if place.flight is None:
            if token is not None:
                return token
            assert place.error is not None  # only a failure sets `again_at`
            raise place.error
        if token is not None and now < token.expires - _part(token, WAIT_BEFORE, 10):
            return token
        return self._wait(place, place.flight)

    async def _wait(self, place: _Place, flight: "asyncio.Future[Token]") -> Token:
        try:
            return await asyncio.shield(flight)
        except NotGivenError:
            if (token := place.usable(self._clock.now())) is not None:
                return token
            raise

    def _place(self, identity: str, wanted: Wanted) -> _Place:
        shelf = self._shelves.get(identity)
        if shelf is None:
            shelf = self._shelves[identity] = OrderedDict()
            if len(self._shelves) > MOST_IDENTITIES:
                self._shelves.popitem(last=False)
        self._shelves.move_to_end(identity)
        place = shelf.get(wanted)
        if place is None:
            place = shelf[wanted] = _Place()
            if len(shelf) > MOST_TOKENS:
                # One whose exchange is under way stays: it would be exchanged twice. There are few of them.
                shelf.pop(next(key for key, one in shelf.items() if one.flight is None and one is not place))
        shelf.move_to_end(wanted)
        return place

    def _start(self, identity: str, wanted: Wanted, place: _Place, subject: Callable[[], str]) -> None:
        under_way = sum(one.flight is not None for one in self._shelves[identity].values())
        if under_way >= MOST_EXCHANGES:
            if place.usable(self._clock.now()) is None:
                raise UnavailableError(
                    f"{MOST_EXCHANGES} exchanges for this identity are under way; try again"
                )
            return
        loop = asyncio.get_running_loop()
        flight = loop.run_in_executor(self._executor, self._exchange, wanted, subject)
        place.flight = flight
        flight.add_done_callback(lambda done: self._land(identity, place, done))

    def _land(self, identity: str, place: _Place, done: "asyncio.Future[Token]") -> None:
        place.flight = None
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            place.token, place.error = done.result(), None
            place.again_at, place.pause = 0.0, FIRST_PAUSE
            return
        place.error = (
            error
            if isinstance(error, NotGivenError)
            else UnavailableError(f"the exchange of tokens failed ({type(error).__name__})")
        )
        place.again_at = self._clock.monotonic() + place.pause
        place.pause = min(place.pause * 2, LONGEST_PAUSE)
        if (token := place.usable(self._clock.now())) is not None:
            # Nobody else would be told before the token's end.
            _LOG.warning(
                "a token of %s that is good until %s is not renewed: %s",
                identity or "this process",
                f"{token.expires:%H:%M:%SZ}",
                place.error.reason,
            )


def _part(token: Token, most: timedelta, share: int) -> timedelta:
    return min(most, (token.expires - token.issued) / share)
