"""What a round of `watch` does to the client that it took, by how the round ends."""

import pytest

from publisher.errors import PublisherError, SinkConflictError, SinkSettingsError, SourceUnavailableError
from publisher.ports import Deadline
from publisher.wiring.clients import ClientKeeper, spoiled
from tests.doubles import StoppedClock


@pytest.mark.parametrize(
    ("error", "opened"),
    [
        (None, [1]),
        (SinkConflictError("sink", "lost a race", "run again"), [1]),
        (SourceUnavailableError("source", "is away", "wait"), [1]),
        (SinkSettingsError("sink", "answered 403", "look at the credentials"), [1, 2]),
    ],
    ids=["well", "lost race", "of the source", "of the sink"],
)
def test_only_a_failure_of_the_sink_costs_the_client(error: PublisherError | None, opened: list[int]) -> None:
    clock, made, closed = StoppedClock(), list[int](), list[int]()

    def open_client() -> int:
        made.append(len(made) + 1)
        return made[-1]

    keeper = ClientKeeper(clock, open_client=open_client, close=closed.append)

    def run_round(failure: PublisherError | None) -> None:
        with spoiled(keeper, Deadline(clock, 10)) as lease:
            lease.client()
            if failure is not None:
                raise failure

    if error is None:
        run_round(None)
    else:
        with pytest.raises(type(error)):
            run_round(error)
    run_round(None)
    assert made == opened
    assert closed == opened[:-1]
