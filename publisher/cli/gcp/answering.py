"""What `gcp token` does: one answer on standard output, nothing anywhere else."""

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

import click

from publisher.errors import PublisherError
from publisher.gcp.executable_token import Answer, Question, failed, failure, keep, success
from publisher.settings.gcp import GcpReader
from publisher.settings.gcp_options.token import NAME, TokenSettings

_STDOUT, _STDERR = 1, 2


class Streams:
    """Keep standard output for the answer, and let everything else go nowhere, from the block on.

    By descriptor: gRPC's C++ core, a library's warning and the interpreter's last words do not ask `sys`.
    The libraries merge both streams and read them as one JSON text.
    """

    def __enter__(self) -> Self:
        self._answers = -1
        with suppress(OSError):  # closed by whoever started us
            self._answers = os.dup(_STDOUT)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in (_STDOUT, _STDERR):
            os.dup2(nowhere, number, inheritable=True)
        if nowhere not in {_STDOUT, _STDERR}:
            os.close(nowhere)
        # Python's own log of last resort, for libraries: `gcp token` configures no log.
        logging.lastResort = None
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._answers >= 0:
            os.close(self._answers)

    def put(self, answer: Answer) -> None:
        """Write the answer; a reader that has gone away wants none."""
        rest = answer.body if self._answers >= 0 else b""
        with suppress(OSError):
            while rest:
                rest = rest[os.write(self._answers, rest) :]


def answer(typed: Mapping[str, object]) -> Answer:
    """Answer one question, and keep a good answer where the library asks for it; raise nothing."""
    try:
        return _answer(GcpReader(command=NAME, command_line=typed, environment=os.environ))
    except PublisherError as error:
        return failure(error)
    except Exception as error:  # noqa: BLE001 (the last net: a traceback would break the answer)
        from publisher.last_net import unexpected  # noqa: PLC0415 (hardly ever needed)

        return failed("UNEXPECTED", str(unexpected(error)))


def answer_usage(refused: click.UsageError) -> Answer:
    """Answer a command line that click refuses."""
    from publisher.cli import usage  # noqa: PLC0415 (hardly ever needed)

    return failure(usage.translate(refused))


def _answer(reader: GcpReader) -> Answer:
    question = Question.read(reader.environment)
    settings = TokenSettings.read(reader, asked=question.audience)
    # Late: bad settings are told quickly.
    from publisher.gcp.workload_svids import agent_at, fetch_jwt_svid  # noqa: PLC0415
    from publisher.ports import Deadline  # noqa: PLC0415
    from publisher.wiring.clock import SystemClock  # noqa: PLC0415

    clock = SystemClock()
    deadline = Deadline(clock, settings.timeout)
    svid = fetch_jwt_svid(agent_at(settings.workload_api), settings.audience, settings.choice, deadline)
    answer = success(svid, question.token_type, clock.now().timestamp())
    if question.output_file and answer.is_cacheable:
        keep(answer, question.output_file)
    return answer
