"""What `gcp doctor` does: walk, say each stage as it is looked at, and end with what is left to say."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from publisher.cli.json_output import SCHEMA_VERSION, error_members, finding_members
from publisher.cli.printing import colour, is_coloured, put
from publisher.errors import ExitStatus, PublisherError
from publisher.gcp.doctor.provider import ReadResource
from publisher.gcp.doctor.reading import read_in_time
from publisher.gcp.doctor.stage import Result, Stage
from publisher.gcp.doctor.target import Target
from publisher.gcp.doctor.walk import World, names_of, walk
from publisher.https import Https
from publisher.logs import printable
from publisher.ports import Deadline
from publisher.settings.gcp import GcpReader
from publisher.settings.gcp_options.doctor_settings import DoctorSettings
from publisher.wiring.clock import SystemClock
from publisher.wiring.gcp_setup import iam_api

_MARKS = {Result.OK: "+", Result.BROKEN: "-", Result.UNKNOWN: "!"}
_READING = 8.0
"""The most seconds for reading the provider: it is worth having, and the walk goes on without it."""

_NO_PROJECT = (
    "set GOOGLE_CLOUD_PROJECT in the workload's environment: google-auth-library for Node asks Resource "
    "Manager for the project's id and fails where it may not (403), Google's other libraries warn"
)


def work(reader: GcpReader) -> ExitStatus:
    """Walk once.

    Raises:
        PublisherError: a bad setting, or standard output that was not written.

    """
    try:
        settings = DoctorSettings.read(reader)
    except PublisherError as error:
        # Without settings nobody knows for sure what was wanted, but it was not text.
        with suppress(PublisherError):
            if reader.value("output") == "json":
                put(_document(error.exit_status, None, [], error=error))
        raise
    return _walk(settings, reader.environment)


def _walk(settings: DoctorSettings, environment: Mapping[str, str]) -> ExitStatus:
    target = settings.target
    clock = SystemClock()
    deadline = Deadline(clock, target.timeout)
    coloured = is_coloured(sys.stdout, os.environ)
    stages: list[Stage] = []
    try:
        world = World(
            clock=clock,
            deadline=deadline,
            web=Https(target.ca_file),
            read=_reader(environment, deadline) if target.read_provider else None,
        )
        for stage in walk(target, world):
            stages.append(stage)
            if not settings.as_json:
                put("".join(f"{line}\n" for line in _lines(stage, coloured=coloured)))
    except PublisherError as error:
        if settings.as_json:
            put(_document(error.exit_status, target, stages, error=error))
        raise
    status = _status(stages)
    hints = list(_hints(stages, environment))
    if settings.as_json:
        put(_document(status, target, stages, hints=hints))
    else:
        put("".join(f"{line}\n" for line in _last_lines(target, stages, hints)))
    return status


def _reader(environment: Mapping[str, str], deadline: Deadline) -> ReadResource:
    def read(name: str) -> Mapping[str, Any] | None:
        window = Deadline(deadline.clock, min(_READING, deadline.remaining() / 3))

        def ask() -> Mapping[str, Any] | None:
            with iam_api(environment, window) as api:
                return api.read(name)

        return read_in_time(ask, window)

    return read


def _status(stages: Sequence[Stage]) -> ExitStatus:
    broken = next((stage for stage in stages if stage.is_broken), None)
    if broken is None:
        return ExitStatus.DONE
    return ExitStatus.TEMPORARY if broken.seen.passing else ExitStatus.FOUND


def _lines(stage: Stage, *, coloured: bool) -> Iterator[str]:
    seen = stage.seen
    code = f" {seen.finding.code}" if seen.finding else ""
    line = f"{seen.result:<8} {stage.name:<13}{code} {seen.looked_at}: {seen.said}".rstrip()
    yield colour(_MARKS[seen.result], printable(line), coloured=coloured)
    if seen.remedy:
        yield printable(f"{'':8} {'remedy:' if seen.finding else 'to see:'} {seen.remedy}")
    for note in seen.notes:
        yield colour("!", printable(f"{'':8} note: {note}"), coloured=coloured)


def _last_lines(target: Target, stages: Sequence[Stage], hints: Sequence[str]) -> Iterator[str]:
    counts = {result: sum(stage.seen.result is result for stage in stages) for result in Result}
    left = _not_reached(target, stages)
    if left:
        yield f"not reached: {', '.join(left)}"
    if counts[Result.BROKEN]:
        yield f"broken at: {stages[-1].name}"
    else:
        yield f"nothing is broken: {counts[Result.OK]} stages ok, {counts[Result.UNKNOWN]} unknown"
    for hint in hints:
        yield f"hint: {hint}"


def _not_reached(target: Target, stages: Sequence[Stage]) -> list[str]:
    return list(names_of(target)[len(stages) :])


def _hints(stages: Sequence[Stage], environment: Mapping[str, str]) -> Iterator[str]:
    reached = {stage.name for stage in stages}
    if "exchange" in reached and not environment.get("GOOGLE_CLOUD_PROJECT"):
        yield _NO_PROJECT


def _document(
    status: ExitStatus,
    target: Target | None,
    stages: Sequence[Stage],
    *,
    hints: Sequence[str] = (),
    error: PublisherError | None = None,
) -> str:
    """Give the JSON output; members may be added under one `schema_version`, never changed or removed."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "command": "gcp doctor",
        "exit_status": int(status),
        "error": error_members(error) if error else None,
        "provider": target.provider.name if target else None,
        "service_account": target.service_account if target else None,
        "way": target.way.value if target else None,
        "stages": [_members(stage) for stage in stages],
        "not_reached": _not_reached(target, stages) if target else [],
        "hints": list(hints),
    }
    return json.dumps(document, indent=2) + "\n"


def _members(stage: Stage) -> dict[str, Any]:
    seen = stage.seen
    return {
        "name": stage.name,
        "result": seen.result.value,
        "looked_at": seen.looked_at,
        "said": seen.said,
        "remedy": seen.remedy,
        "code": seen.finding.code if seen.finding else None,
        "notes": finding_members(seen.notes),
    }
