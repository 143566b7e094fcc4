"""One run of one command: settings, work on every publication, report, exit status."""

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from publisher.cli.finding_log import FindingLog, log_error
from publisher.cli.json_output import error_members, finding_members, put_json
from publisher.cli.opening import Opening
from publisher.cli.printing import is_coloured, put
from publisher.cli.runs import PublicationThread, Work, run_all
from publisher.errors import ExitStatus, PublisherError
from publisher.findings import Finding
from publisher.ports import Deadline
from publisher.settings.layers import Reader
from publisher.settings.run import RunSettings, Selected
from publisher.wiring import Wiring

_GRAVEST_FIRST = (
    ExitStatus.UNSAFE,
    ExitStatus.SETTINGS,
    ExitStatus.TEMPORARY,
    ExitStatus.USAGE,
    ExitStatus.FOUND,
    ExitStatus.DONE,
)
_S = TypeVar("_S")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Generic[_S, _V]):
    """Hold how the work on one publication ended. `settings` is None where they were bad."""

    name: str | None
    settings: _S | None
    result: _V | PublisherError


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Hold what the work of a run shares."""

    run: RunSettings
    wiring: Wiring
    finding_log: FindingLog
    deadline: Deadline
    coloured: bool


class Command(ABC, Generic[_S, _V]):
    """Be one command: what it reads, does with one publication, and says about it."""

    name: str
    logs_findings = True

    @abstractmethod
    def read(self, reader: Reader) -> _S:
        """Read the settings of one publication."""

    def forbid(self, selected: tuple[Selected[_S], ...], run: RunSettings, /) -> None:
        """Raise what is wrong with these publications beside each other."""

    @abstractmethod
    def work(self, settings: _S, session: Session) -> _V:
        """Work on one publication, in a thread of its own."""

    def status(self, _result: _V, _run: RunSettings, /) -> ExitStatus:
        """Give the exit status of work that ended without an error."""
        return ExitStatus.DONE

    def conclude(self, ended: "list[Ended[_S, _V]]", session: Session, /) -> None:
        """Do what is to be done once all publications have ended, before the report; raise nothing."""

    @abstractmethod
    def findings(self, result: _V) -> tuple[Finding, ...]:
        """Give everything that was found."""

    @abstractmethod
    def members(self, ended: "Ended[_S, _V]", run: RunSettings, /) -> dict[str, Any]:
        """Give the command's own JSON members of one publication; all of them in every case."""

    @abstractmethod
    def text(self, ended: Ended[_S, _V], session: Session, /) -> Iterator[str | bytes]:
        """Give what a person reads about one publication."""


def run_command(command: Command[_S, _V], typed: Mapping[str, object]) -> ExitStatus:
    """Run a command from what was typed to its exit status."""
    opening: Opening[_S] = Opening(command.name, typed)
    try:
        run, selected = opening.read(command.read, command.forbid)
    except PublisherError as error:
        log_error(error)
        if opening.as_json:
            put_json(command.name, error.exit_status, error=error)
        return error.exit_status
    finding_log = FindingLog(dry_run=run.dry_run)
    wiring = Wiring(notice=finding_log.notice)
    session = Session(
        run=run,
        wiring=wiring,
        finding_log=finding_log,
        deadline=Deadline(wiring.clock, run.timeout),
        coloured=is_coloured(sys.stdout, os.environ),
    )
    ended = _work(command, session, selected)
    command.conclude(ended, session)
    status = _report(command, session, ended)
    if not PublicationThread.any_left():
        wiring.close()
    return status


def _work(
    command: Command[_S, _V], session: Session, selected: tuple[Selected[_S], ...]
) -> list[Ended[_S, _V]]:
    sound = [(one.name, one.settings) for one in selected if not isinstance(one.settings, PublisherError)]
    works = [
        Work(name=name, do=lambda settings=settings: command.work(settings, session))  # type: ignore[misc]
        for name, settings in sound
    ]
    results = iter(run_all(works, deadline=session.deadline))
    return [
        Ended(name=one.name, settings=None, result=one.settings)
        if isinstance(one.settings, PublisherError)
        else Ended(name=one.name, settings=one.settings, result=next(results))
        for one in selected
    ]


def _report(command: Command[_S, _V], session: Session, ended: list[Ended[_S, _V]]) -> ExitStatus:
    run = session.run
    statuses = []
    for one in ended:
        if isinstance(one.result, PublisherError):
            statuses.append(one.result.exit_status)
            session.finding_log.log_failure(one.name, one.result)
        else:
            statuses.append(command.status(one.result, run))
            if command.logs_findings:
                session.finding_log.log(one.name, command.findings(one.result))
    status = gravest(statuses)
    try:
        if run.json:
            publications = [
                _members(command, one, own, session) for one, own in zip(ended, statuses, strict=True)
            ]
            put_json(command.name, status, publications=publications)
        else:
            for one in ended:
                for part in command.text(one, session):
                    put(part)
    except PublisherError as error:
        log_error(error)
        status = gravest([status, error.exit_status])
    return status


def gravest(statuses: Iterable[ExitStatus]) -> ExitStatus:
    """Choose the exit status of several publications: 65 before 78 before 75 before 1 before 0."""
    return min(statuses, key=_GRAVEST_FIRST.index, default=ExitStatus.DONE)


def _members(
    command: Command[_S, _V], one: Ended[_S, _V], status: ExitStatus, session: Session
) -> dict[str, Any]:
    members = {"name": one.name, "exit_status": int(status), **command.members(one, session.run)}
    if isinstance(one.result, PublisherError):
        # Work that did not end within its time has an error of ours, which knows nothing of what was noticed.
        noticed = session.finding_log.noticed(one.name)
        return members | {"findings": [], "error": error_members(one.result, noticed)}
    return members | {"findings": finding_members(command.findings(one.result)), "error": None}
