"""Tokens are kept, renewed ahead and exchanged once; a failure is repeated for a while, not asked again."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from publisher.gcp.metadata_server.errors import ForbiddenError, NotGivenError, UnavailableError
from publisher.gcp.metadata_server.tokens import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    MOST_EXCHANGES,
    MOST_IDENTITIES,
    MOST_TOKENS,
    Token,
    Tokens,
    Wanted,
)

WANTED = Wanted(account="app@project.iam.gserviceaccount.com", scopes=("a",))
START = datetime(2026, 11, 22, tzinfo=UTC)
PATIENCE = 20.0


@dataclass
class HandClock:
    """A clock that is moved by hand."""

    passed: float = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


@dataclass
class Exchanges:
    """An exchange under a test's control; it speaks the port."""

    clock: HandClock
    life: float = 3600.0
    error: NotGivenError | None = None
    go: threading.Event = field(default_factory=threading.Event)
    made: list[tuple[Wanted, str]] = field(default_factory=list)

    def __call__(self, wanted: Wanted, subject: Callable[[], str]) -> Token:
        assert self.go.wait(PATIENCE)
        self.made.append((wanted, subject()))
        if self.error:
            raise self.error
        now = self.clock.now()
        return Token(value=f"token {len(self.made)}", issued=now, expires=now + timedelta(seconds=self.life))


@dataclass
class Cache:
    """A cache of tokens and what is around it, in an event loop of its own."""

    clock: HandClock
    exchanges: Exchanges
    tokens: Tokens
    runner: "asyncio.Runner"

    def ask(
        self, identity: str = "spiffe://example.org/a", wanted: Wanted = WANTED, times: int = 1
    ) -> list[str]:
        return self.runner.run(self._ask(identity, wanted, times))

    async def _ask(self, identity: str, wanted: Wanted, times: int) -> list[str]:
        found = [self.tokens.find(identity, wanted, lambda: "svid") for _ in range(times)]
        return [(await one if isinstance(one, Awaitable) else one).value for one in found]

    def settle(self) -> None:
        """Let the exchange that is under way end."""
        self.runner.run(asyncio.sleep(0.2))


@pytest.fixture
def cache() -> Iterator[Cache]:
    clock = HandClock()
    exchanges = Exchanges(clock)
    exchanges.go.set()
    with ThreadPoolExecutor(8) as pool, asyncio.Runner() as runner:
        yield Cache(clock, exchanges, Tokens(exchanges, pool, clock), runner)
        exchanges.go.set()


def test_one_exchange_for_all_who_ask_at_once(cache: Cache) -> None:
    assert cache.ask(times=500) == ["token 1"] * 500
    assert cache.exchanges.made == [(WANTED, "svid")]


def test_identities_and_kinds_of_token_are_kept_apart(cache: Cache) -> None:
    wanted = [
        WANTED,
        Wanted(account=None, scopes=("a",)),
        Wanted(account=WANTED.account, scopes=("b",)),
        Wanted(account=WANTED.account, audience="a"),
        Wanted(account=WANTED.account, audience="a", full=True),
    ]
    tokens = [cache.ask(identity, one)[0] for identity in ("a", "b") for one in wanted]
    assert len(set(tokens)) == 10
    assert [cache.ask(identity, one)[0] for identity in ("a", "b") for one in wanted] == tokens


def test_a_token_is_renewed_in_the_background_five_minutes_ahead(cache: Cache) -> None:
    cache.ask()
    cache.clock.passed = 3600 - 301
    assert cache.ask() == ["token 1"]
    assert len(cache.exchanges.made) == 1
    cache.clock.passed = 3600 - 299
    assert cache.ask() == ["token 1"]
    cache.settle()
    assert cache.ask() == ["token 2"]


def test_shortly_before_its_end_a_token_is_waited_for(cache: Cache) -> None:
    cache.ask()
    cache.clock.passed = 3600 - 59
    assert cache.ask() == ["token 2"]


def test_of_a_short_life_the_last_third_is_ahead_and_no_storm_follows(cache: Cache) -> None:
    cache.exchanges.life = 240
    cache.ask()
    cache.clock.passed = 150
    assert cache.ask(times=50) == ["token 1"] * 50
    assert len(cache.exchanges.made) == 1
    cache.clock.passed = 170
    assert cache.ask(times=50) == ["token 1"] * 50
    cache.settle()
    assert len(cache.exchanges.made) == 2


def test_a_token_is_given_to_its_end_while_renewals_fail_and_not_longer(cache: Cache) -> None:
    cache.ask()
    cache.exchanges.error = UnavailableError("STS is away")
    for passed in (3600 - 200, 3600 - 30, 3600 - 1):
        cache.clock.passed = passed
        assert cache.ask() == ["token 1"]
        cache.settle()
    cache.clock.passed = 3600
    with pytest.raises(UnavailableError, match="STS is away"):
        cache.ask()


def test_a_failure_is_repeated_for_a_while_and_then_asked_again(cache: Cache) -> None:
    cache.exchanges.error = ForbiddenError("not bound")
    for _ in range(20):
        with pytest.raises(ForbiddenError, match="not bound"):
            cache.ask()
    assert len(cache.exchanges.made) == 1
    pauses = [FIRST_PAUSE * 2**n for n in range(6)]
    for made, pause in enumerate(pauses, 1):
        assert len(cache.exchanges.made) == made
        cache.clock.passed += min(pause, LONGEST_PAUSE)
        with pytest.raises(ForbiddenError):
            cache.ask()
    cache.exchanges.error = None
    cache.clock.passed += LONGEST_PAUSE
    assert cache.ask()


def test_one_identity_takes_a_few_exchanges_at_once_and_others_go_on(cache: Cache) -> None:
    cache.exchanges.go.clear()

    async def story() -> None:
        waiting = [
            cache.tokens.find("a", Wanted(account=None, scopes=(str(n),)), lambda: "svid")
            for n in range(MOST_EXCHANGES)
        ]
        with pytest.raises(UnavailableError, match="under way"):
            cache.tokens.find("a", WANTED, lambda: "svid")
        other = cache.tokens.find("b", WANTED, lambda: "svid")
        cache.exchanges.go.set()
        for one in [*waiting, other]:
            assert isinstance(one, Awaitable)
            assert await one

    cache.runner.run(story())


def test_what_is_kept_is_bounded_and_who_floods_pushes_out_only_their_own(cache: Cache) -> None:
    kept = cache.ask("quiet")
    for n in range(MOST_TOKENS * 3):
        cache.ask("loud", Wanted(account=None, scopes=(str(n),)))
    assert cache.ask("quiet") == kept
    for n in range(MOST_IDENTITIES):
        cache.ask(f"identity {n}")
    assert cache.ask("quiet") != kept


def test_a_mistake_in_an_exchange_is_no_token_and_no_hang(cache: Cache) -> None:
    cache.exchanges.life = float("nan")
    for _ in range(2):
        with pytest.raises(Exception, match=r"."):
            cache.ask()
    cache.exchanges.life = 3600
    cache.clock.passed += LONGEST_PAUSE
    assert cache.ask()


def test_a_token_does_not_show_itself() -> None:
    token = Token(value="ya29.secret", issued=START, expires=START)
    assert "secret" not in repr(token)
