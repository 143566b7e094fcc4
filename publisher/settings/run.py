"""One run of one command: its own settings, and the publications that it is for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from publisher.errors import PublisherError, SettingsError, UsageError
from publisher.findings import Severity
from publisher.quoting import quote
from publisher.settings.addresses import parse_loopback
from publisher.settings.layers import Layers, Reader
from publisher.settings.options import OPTIONS, PREFIX, Scope, named
from publisher.settings.settings_file import LARGEST, SettingsFile, Table
from publisher.settings.values import BadValueError

if TYPE_CHECKING:
    from pathlib import Path

_T = TypeVar("_T")
_OPTIONS = (
    "dry-run",
    "document",
    "require-manifest",
    "fail-on",
    "confirm-every",
    "poll-every",
    "shortest-refresh",
    "longest-refresh",
    "metrics-file",
    "metrics-listen",
    "publication",
)
_FILLERS = {"issuer": "https://issuer.invalid", "sink": "."}  # good values of every required option


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Hold what holds for a whole run. Times are in seconds; options of other commands have a value of none.

    `metrics_listen` is a loopback address, as a literal, and a port; `publication` is the only one chosen.
    """

    json: bool
    verbose: bool
    quiet: bool
    timeout: int
    dry_run: bool = False
    document: str | None = None
    require_manifest: bool = False
    fail_on: Severity = Severity.WARNING
    confirm_every: int = 300
    poll_every: int = 5
    shortest_refresh: int = 10
    longest_refresh: int = 300
    metrics_file: "Path | None" = None
    metrics_listen: tuple[str, int] | None = None
    publication: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected(Generic[_T]):
    """Hold one publication of a run: its name (None: the only one, unnamed) and its settings or its error."""

    name: str | None
    settings: _T | PublisherError


def read_output(layers: Layers) -> tuple[bool, bool, bool]:
    """Read how to talk: JSON, verbose, quiet. A file is not needed for it yet."""
    reader = Reader(layers=layers)
    return reader.value("output") == "json", reader.value("verbose"), reader.value("quiet")


def read_file(layers: Layers) -> SettingsFile | None:
    """Read the file of `--config`, if there is one.

    Raises:
        UsageError: the path typed on the command line is no file that can be read.
        SettingsError: the same for the environment; forbidden; or as `SettingsFile.parse`.

    """
    given = layers.given(named("config"))
    path: Path | None = Reader(layers=layers).value("config")
    if given is None or path is None:
        return None
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except PermissionError as error:
        raise SettingsError(quote(str(path)), "must not be read", "permit the user of this run to") from error
    except OSError as error:
        what = f"{quote(str(path))} cannot be read ({quote(error.strerror)})"
        raise given.refused(what, "give the path of a TOML file") from error
    return SettingsFile.parse(path, data)


def read_run(layers: Layers) -> RunSettings:
    """Read what holds for the whole run.

    Raises:
        UsageError: a bad value on the command line.
        SettingsError: a bad value in the environment or the file; an override in the environment.

    """
    _refuse_overrides_in(layers.environment)
    reader = Reader(layers=layers)
    json, verbose, quiet = read_output(layers)
    values = {
        name.replace("-", "_"): reader.value(name)
        for name in _OPTIONS
        if layers.command in named(name).commands
    }
    if "fail_on" in values:
        values["fail_on"] = Severity(values["fail_on"])
    if values.get("metrics_listen") is not None:
        values["metrics_listen"] = _loopback(reader, values["metrics_listen"])
    if "longest_refresh" in values and values["shortest_refresh"] > values["longest_refresh"]:
        raise _longer_than_longest(reader, values["shortest_refresh"], values["longest_refresh"])
    return RunSettings(json=json, verbose=verbose, quiet=quiet, timeout=reader.value("timeout"), **values)


def select(layers: Layers, read: Callable[[Reader], _T]) -> tuple[Selected[_T], ...]:
    """Choose the publications of this run and read the settings of each.

    Settings that are bad in one of several publications are that one's failure: the others are still due.

    Raises:
        UsageError: a name that the file has not; options of one publication, or an override, beside several.
        SettingsError: the same name, from the environment.

    """
    tables = _tables(layers)
    if len(tables) > 1:
        _refuse_shared_options(layers, len(tables))
    return tuple(_selected(layers, table, read, alone=len(tables) == 1) for table in tables)


def unknown_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Find variables that look like ours and name no option: a misspelt one is otherwise silent.

    Kubernetes makes such variables for a service of the publisher's name; they are no mistake.
    """
    known = {option.variable for option in OPTIONS}
    made = (f"{PREFIX}SERVICE_", f"{PREFIX}PORT")
    unknown = {
        name
        for name in environment
        if name.startswith(PREFIX) and name not in known and not name.startswith(made)
    }
    if unknown:  # the options of the gcp commands are read only then
        from publisher.settings.gcp import GCP_COMMANDS, gcp_options_of  # noqa: PLC0415

        unknown -= {option.variable for command in GCP_COMMANDS for option in gcp_options_of(command)}
    return tuple(sorted(unknown))


def _selected(
    layers: Layers, table: Table | None, read: Callable[[Reader], _T], *, alone: bool
) -> Selected[_T]:
    name = table.name if table else None
    reader = Reader(layers=layers, table=table)
    try:
        if missing := reader.missing():
            # What is wrong with the values that were given comes before what was not: fill the gaps and look.
            fillers = {option.name: _FILLERS[option.name] for option in missing}
            filled = replace(layers, command_line={**layers.command_line, **fillers})
            read(replace(reader, layers=filled))
            raise reader.lacks(missing)
        return Selected(name=name, settings=read(reader))
    except PublisherError as error:
        if alone:
            raise
        return Selected(name=name, settings=error)


def _tables(layers: Layers) -> tuple[Table | None, ...]:
    given = layers.given(named("publication"))
    tables = layers.file.tables if layers.file else ()
    if given is None:
        return tables or (None,)
    name = Reader(layers=layers).value("publication")
    chosen = tuple(table for table in tables if table.name == name)
    if not chosen:
        known = (
            ", ".join(str(table.name) for table in tables[:10]) or "none, for want of a --config with tables"
        )
        raise given.refused(f"{quote(name, 64)} is not a publication of the file", f"known are: {known}")
    return chosen


def _refuse_shared_options(layers: Layers, count: int) -> None:
    for scope in (Scope.PUBLICATION, Scope.OVERRIDE):
        given = layers.typed(scope)
        if given is not None:
            raise UsageError(
                given.place,
                f"is about one publication, and the file has {count}",
                "choose one with --publication NAME, or write it into the file",
            )


def _loopback(reader: Reader, text: str) -> tuple[str, int]:
    try:
        return parse_loopback(text)
    except BadValueError as error:
        given = reader.given("metrics-listen")
        assert given is not None
        raise given.refused(error.what, error.remedy) from error


def _longer_than_longest(reader: Reader, shortest: int, longest: int) -> PublisherError:
    return reader.refused(
        reader.closest("shortest-refresh", "longest-refresh"),
        f"--shortest-refresh ({shortest} s) is above --longest-refresh ({longest} s)",
        "lower the one or raise the other",
    )


def _refuse_overrides_in(environment: Mapping[str, str]) -> None:
    for option in OPTIONS:
        if option.scope is Scope.OVERRIDE and environment.get(option.variable):
            raise SettingsError(
                option.variable,
                "an override counts on the command line only, for one run",
                f"unset it, and type {option.flag} where it is meant",
            )
