"""Metrics as text: in OpenMetrics 1.0, and in the older format of Prometheus, for textfile collectors."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from publisher.serving.outside_text import shown

OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The media types of the two formats."""

Labels = Mapping[str, str]
Samples = list[tuple[Labels, int | float]]

_LONG_LABEL = 256
_QUOTES = 8  # what `shown` adds at most to a text that it shortens
_SUFFIXES = {"counter": "_total", "info": "_info"}
_PLAIN_KINDS = {"info": "gauge", "stateset": "gauge"}
_SAMPLE = re.compile(r'([a-z][a-z0-9_]*)(?:\{((?:[a-z_]+="(?:[^"\\]|\\["\\n])*",?)*)\})? ([0-9eE.+-]{1,32})')
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\["\\n])*)"')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Hold one metric: its name without the suffix of its kind, and its samples.

    `kind` is a type of OpenMetrics: gauge, counter, info or stateset. `text` must need no escape: it holds
    neither backslash, quote nor line feed. Label values must have gone through `label`.
    """

    name: str
    kind: str
    text: str
    samples: Samples
    unit: str = ""

    @property
    def sample_name(self) -> str:
        """Give the name that the samples have."""
        return self.name + _SUFFIXES.get(self.kind, "")


def label(text: str) -> str:
    """Give outside text as it may be a label's value: as `outside_text.shown`, of at most 256 characters."""
    return shown(text, _LONG_LABEL)


def openmetrics(families: Iterable[Family]) -> bytes:
    """Write families as OpenMetrics 1.0, UTF-8, ended by `# EOF`.

    OpenMetrics, "MetricFamily": the suffix that a type asks for is of the samples, not of the family.
    """
    lines: list[str] = []
    for family in families:
        lines.append(f"# TYPE {family.name} {family.kind}")
        if family.unit:
            lines.append(f"# UNIT {family.name} {family.unit}")
        lines.append(f"# HELP {family.name} {family.text}")
        lines += _lines(family)
    return "".join(f"{line}\n" for line in (*lines, "# EOF")).encode()


def prometheus_text(families: Iterable[Family]) -> bytes:
    """Write families in Prometheus' text format 0.0.4, UTF-8; those without samples are left out.

    It knows neither units nor the types info and stateset, and the suffix is of the whole family. Nor is
    there an end mark: a reader of a file that is replaced whole needs none.
    """
    lines: list[str] = []
    for family in families:
        if family.samples:
            lines.append(f"# HELP {family.sample_name} {family.text}")
            lines.append(f"# TYPE {family.sample_name} {_PLAIN_KINDS.get(family.kind, family.kind)}")
            lines += _lines(family)
    return "".join(f"{line}\n" for line in lines).encode()


def read_samples(data: bytes, most: int = 100_000) -> dict[str, Samples]:
    """Read back what `prometheus_text` wrote: samples by name. Whatever looks otherwise is passed over.

    At most `most` lines are read, so that a file that somebody else made costs little.
    """
    found: dict[str, Samples] = {}
    for line in data.decode("ascii", errors="replace").split("\n")[:most]:
        match = _SAMPLE.fullmatch(line)
        if match and (value := _number(match[3])) is not None:
            labels = {name: _plain(inside) for name, inside in _LABEL.findall(match[2] or "")}
            if all(map(_is_fit, labels.values())):
                found.setdefault(match[1], []).append((labels, value))
    return found


def seconds(moment: datetime) -> int | float:
    """Give a time as seconds since 1970, to the millisecond."""
    return plain_number((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())


def plain_number(value: float) -> int | float:
    """Round to a thousandth, and leave out a fraction that is none."""
    exact = round(float(value), 3)  # an integer has no is_integer before Python 3.12
    return int(exact) if exact.is_integer() else exact


def _lines(family: Family) -> Iterator[str]:
    name = family.sample_name
    for labels, value in family.samples:
        inside = ",".join(f'{label}="{_escaped(content)}"' for label, content in labels.items())
        yield f"{name}{{{inside}}} {value}" if inside else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda match: "\n" if match[1] == "n" else match[1], text)


def _is_fit(text: str) -> bool:
    return text.isascii() and text.isprintable() and len(text) <= _LONG_LABEL + _QUOTES


def _number(text: str) -> int | float | None:
    try:
        value = int(text) if text.removeprefix("-").isdecimal() else float(text)
    except ValueError:
        return None
    return value if isinstance(value, int) else plain_number(value) if math.isfinite(value) else None
