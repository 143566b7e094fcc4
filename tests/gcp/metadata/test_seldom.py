"""The log of refusals: each once a minute, and much of one kind silences no other."""

from publisher.gcp.metadata_server.seldom import EVERY, MOST, Seldom


class Clock:
    """Give the time that the test says."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_a_sentence_is_said_once_a_minute() -> None:
    clock = Clock()
    seldom = Seldom(clock.monotonic)
    assert [seldom.may(403, "a") for _ in range(3)] == [True, False, False]
    assert seldom.may(503, "a")
    clock.now = EVERY
    assert seldom.may(403, "a")


def test_many_strangers_do_not_silence_what_is_broken() -> None:
    clock = Clock()
    seldom = Seldom(clock.monotonic)
    assert [seldom.may(403, f"stranger {number}") for number in range(MOST + 1)] == [True] * MOST + [False]
    assert seldom.may(503, "the agent is away")
    clock.now = EVERY
    assert [seldom.may(403, f"another {number}") for number in range(MOST + 1)] == [True] * MOST + [False]
