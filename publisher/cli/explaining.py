"""What `explain` says about one rotation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from publisher.cli.session import Command, Ended, Session
from publisher.errors import ExitStatus, PublisherError, UsageError
from publisher.findings import Finding
from publisher.publication.lead_rules import judge_settings
from publisher.publication.lead_time import Verdict
from publisher.publication.manifest import seconds_of
from publisher.publication.spans import span
from publisher.settings.explain_target import ExplainTarget
from publisher.settings.layers import Reader
from publisher.settings.options import EXPLAIN
from publisher.settings.run import RunSettings, Selected
from publisher.use_cases.explain import ONE_CACHE, Explanation, Moment, explain

_WIDE = 24


class ExplainCommand(Command[ExplainTarget, Explanation]):
    """Explain one rotation."""

    name = EXPLAIN
    logs_findings = False  # they are what it prints

    def read(self, reader: Reader) -> ExplainTarget:
        """Read the settings of one publication."""
        return ExplainTarget.read(reader)

    def forbid(self, selected: tuple[Selected[ExplainTarget], ...], _run: RunSettings, /) -> None:
        """Refuse one picture of several publications."""
        drawn = [one for one in selected if isinstance(one.settings, ExplainTarget) and one.settings.picture]
        if len(drawn) > 1:
            raise UsageError(
                "--picture",
                f"draws one rotation, and the file has {len(selected)} publications",
                "choose one with --publication NAME",
            )

    def work(self, settings: ExplainTarget, _session: Session) -> Explanation:
        """Explain, and draw where a picture is wanted."""
        explained = explain(settings.timing, max_age=settings.jwks_max_age)
        if settings.picture is not None:
            _draw(explained, settings.picture)
        return explained

    def status(self, result: Explanation, _run: RunSettings, /) -> ExitStatus:
        """Give 1 where no key can have its lead time."""
        return ExitStatus.FOUND if result.outlook.verdict is Verdict.NEVER else ExitStatus.DONE

    def findings(self, result: Explanation) -> tuple[Finding, ...]:
        """Give what `publish` would find in these settings."""
        return tuple(
            judge_settings(result.outlook, result.timing, max_age=result.max_age, where="these settings")
        )

    def members(self, ended: Ended[ExplainTarget, Explanation], _run: RunSettings, /) -> dict[str, Any]:
        """Give everything in whole seconds."""
        explained = ended.result
        if isinstance(explained, PublisherError):
            return dict.fromkeys(_MEMBERS)
        outlook = explained.outlook
        values = (
            seconds_of(outlook.life.ca_ttl),
            outlook.life.origin.value,
            seconds_of(explained.lead),
            seconds_of(outlook.needed),
            [
                {"name": part.name, "option": part.option, "seconds": seconds_of(part.period)}
                for part in explained.parts
            ],
            seconds_of(outlook.available),
            seconds_of(outlook.margin),
            outlook.verdict.value,
            explained.advice,
            seconds_of(explained.exposure),
            [
                {
                    "step": moment.step.value,
                    "after_seconds": seconds_of(moment.at),
                    "until_seconds": seconds_of(moment.until),
                }
                for moment in explained.moments
            ],
        )
        return dict(zip(_MEMBERS, values, strict=True))

    def text(self, ended: Ended[ExplainTarget, Explanation], _session: Session, /) -> Iterator[str]:
        """Give the time line, the sum, the verdict and the exposure."""
        if isinstance(ended.result, PublisherError):
            return
        if ended.name:
            yield f"# {ended.name}\n"
        for line in _lines(ended.result):
            yield f"{line}\n"
        if ended.name:
            yield "\n"


_MEMBERS = (
    "ca_ttl_seconds",
    "ca_ttl_from",
    "lead_seconds",
    "needed_seconds",
    "parts",
    "available_seconds",
    "margin_seconds",
    "verdict",
    "advice",
    "exposure_seconds",
    "steps",
)


def _lines(explained: Explanation) -> Iterator[str]:
    outlook = explained.outlook
    yield f"One rotation, {explained.life}, counted from when SPIRE prepares the new key:"
    yield ""
    for moment in explained.moments:
        yield f"{_when(moment):>{_WIDE}}  {moment.said}"
    yield ""
    yield "What a new key needs to every relying party, each delay at its worst:"
    yield ""
    for part in explained.parts:
        yield f"{span(part.period):>{_WIDE}}  {part.name} ({part.option})"
    yield f"{span(outlook.needed):>{_WIDE}}  needed"
    yield f"{span(outlook.available):>{_WIDE}}  available: from publication to first token, at the least"
    yield f"{span(outlook.margin):>{_WIDE}}  margin"
    yield ""
    yield f"{explained.verdict[0].upper()}{explained.verdict[1:]}."
    if explained.advice is not None:
        yield f"To change that: {explained.advice}."
    yield f"A key that is revoked may be accepted for up to {span(explained.exposure)}. {ONE_CACHE}"


def _when(moment: Moment) -> str:
    return span(moment.at) if moment.until is None else f"{span(moment.at)} to {span(moment.until)}"


def _draw(explained: Explanation, path: Path) -> None:
    from publisher.cli.picture import write_picture  # noqa: PLC0415 (most runs draw nothing)
    from publisher.use_cases.rotation_picture import draw  # noqa: PLC0415

    write_picture(path, draw(explained))
