"""What the plugin is told to do: the settings in `plugin_data`, judged without a look at the network."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from publisher.bundle.fetched import SourceKind
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import PublisherError, SettingsError, UsageError
from publisher.quoting import quote
from publisher.settings.addresses import DirectoryAddress, SourceAddress
from publisher.settings.check_target import given_to
from publisher.settings.layers import Layer, Layers, Reader
from publisher.settings.options import OPTIONS, WATCH, Kind, Option, Scope
from publisher.settings.run import Selected, select
from publisher.settings.settings_file import LARGEST, SettingsFile, Table
from publisher.settings.targets import PublishTarget, refuse_clashes
from publisher.settings.timing import read_timing
from publisher.spire_plugin import hcl

CONFIG_FILE = "config_file"
"""The member that names a TOML file, in place of all others."""

LONGEST_TIMEOUT = 25
"""The most seconds of one publication: SPIRE pushes every 30 s and waits for the slowest publisher."""

USUAL_TIMEOUT = 20
"""The seconds of one publication unless told otherwise."""

RUN_MEMBERS = ("timeout", "confirm-every", "drift-every", "metrics-file", "verbose")
"""The options of a whole run that hold for the plugin too."""

MEMBERS = {
    option.member: option
    for option in OPTIONS
    if (option.scope is Scope.PUBLICATION and WATCH in option.commands and option.name != "source")
    or option.name in RUN_MEMBERS
}
"""What `plugin_data` takes beside `config_file`, by member name."""

_FLAG = re.compile(r"--[a-z][a-z-]*[a-z]")
_MEMBER_OF = {option.flag: name for name, option in MEMBERS.items()}
_SERVER = "SPIRE's server itself pushes the bundle here"
_SOURCE = SourceAddress(kind=SourceKind.SPIRE_PLUGIN, place="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Hold one publication: its name in the TOML file (None: the only one, unnamed) and its settings."""

    name: str | None
    target: PublishTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSettings:
    """Hold everything that a `plugin_data` says. Times are in seconds.

    `file` is the text of its `config_file` as it was judged, None: it names none. Whether settings
    are equal does not depend on it.
    """

    publications: tuple[Publication, ...]
    trust_domain: TrustDomain
    timeout: int
    confirm_every: int
    drift_every: int
    metrics_file: Path | None
    verbose: bool
    file: str | None = field(default=None, compare=False, repr=False)


class BadSettingsError(SettingsError):
    """Refuse a `plugin_data`; `every` has each thing that is wrong, one at least."""

    def __init__(self, every: tuple[PublisherError, ...]) -> None:
        self.every = tuple(SettingsError(one.where, one.what, in_members(one.remedy)) for one in every)
        first = self.every[0]
        super().__init__(first.where, first.what, first.remedy)

    @property
    def text(self) -> str:
        """Say them all in one line."""
        return "; and ".join(str(error) for error in self.every)


def in_members(remedy: str) -> str:
    """Name settings as `plugin_data` does, `issuer` for `--issuer`; what only a person gives stays a flag."""
    return _FLAG.sub(lambda found: _MEMBER_OF.get(found[0], found[0]), remedy)


def read(text: str, trust_domain: str, file: str | None = None) -> PluginSettings:
    """Read a `plugin_data`, and the TOML file that it names. Nothing else of the machine is touched.

    `trust_domain` is the server's; `file` is the text of the file, if it shall not be read again. The
    environment is not looked at: it is the server's, not ours.

    Raises:
        BadSettingsError: not such a text; an unknown member; a wrong or missing value; a trust domain other
            than the server's; a file that cannot be read, or that holds any of these.

    """
    try:
        own = TrustDomain.parse(trust_domain)
        members = hcl.parse(text)
        content = file.encode() if file is not None and CONFIG_FILE in members else _content(members)
        layers = _layers(members, content)
        _refuse_misplaced(layers)
        values = _run_values(Reader(layers=layers))
        selected = _select(layers, own, timedelta(seconds=values["timeout"]))
        refuse_clashes(selected)
    except BadSettingsError:
        raise
    except PublisherError as error:
        raise BadSettingsError((error,)) from error
    if bad := tuple(_named(one.name, one.settings) for one in selected if _is_bad(one)):
        raise BadSettingsError(bad)
    publications = tuple(_publication(one) for one in selected)
    return PluginSettings(
        publications=publications,
        trust_domain=own,
        file=None if content is None else content.decode(),
        **values,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginData(SettingsFile):
    """Be a settings file whose lines are those of `plugin_data`."""

    def place(self, line: int) -> str:
        """Name a line for a person."""
        return hcl.at(line)


def _layers(members: Mapping[str, hcl.Member], content: bytes | None) -> Layers:
    """Give the layers of settings: one, `plugin_data` or the TOML file, of this content."""
    layers = Layers(command=WATCH, command_line={}, environment={})
    if content is not None:
        path = Path(str(members[CONFIG_FILE].value))
        return replace(layers, file=SettingsFile.parse(path, content))
    for name, member in members.items():
        if name not in MEMBERS:
            raise SettingsError(hcl.at(member.line), *_unknown(name))
    top = Table(
        name=None,
        members={name: member.value for name, member in members.items()},
        line_of=lambda name: members[name].line if name is not None else 1,
    )
    return replace(layers, file=PluginData(path=Path(hcl.PLACE), top=top, tables=()))


def _content(members: Mapping[str, hcl.Member]) -> bytes | None:
    """Read the file that is named; None: none is."""
    if CONFIG_FILE not in members:
        return None
    member = members[CONFIG_FILE]
    where = f"{hcl.at(member.line)}: {CONFIG_FILE}"
    for name, other in members.items():
        if name != CONFIG_FILE:
            raise SettingsError(
                hcl.at(other.line), f"{quote(name, 40)} beside {CONFIG_FILE}", "write it into the file"
            )
    if not isinstance(member.value, str) or not Path(member.value).is_absolute():
        raise SettingsError(where, f"{quote(member.value)} is no absolute path", "write /path/of/file.toml")
    try:
        with Path(member.value).open("rb") as file:
            return file.read(LARGEST + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = quote(error.strerror) if isinstance(error, OSError) else "it has a NUL"
        raise SettingsError(
            where,
            f"{quote(member.value)} cannot be read ({why})",
            "give the path of a TOML file that the server's user may read",
        ) from error


def _unknown(name: str) -> tuple[str, str]:
    option = next((option for option in OPTIONS if option.member == name), None)
    if name == "source":
        return "source is none of it", f"take it out: {_SERVER}"
    if name == "publication":
        return "publication is none of it", f"write several into a TOML file, and {CONFIG_FILE} = its path"
    if option is not None and option.scope is Scope.OVERRIDE:
        return (
            f"{name} is no setting",
            f"a person runs spire-oidc-publisher publish {option.flag} once, and the next tick finds it",
        )
    if option is not None:
        return f"{name} means nothing to the plugin", "take it out"
    near = get_close_matches(name, [*MEMBERS, CONFIG_FILE], n=1)
    return (
        f"unknown member {quote(name, 40)}",
        f"did you mean {near[0]}?" if near else "see docs/spire-plugin.md",
    )


def _refuse_misplaced(layers: Layers) -> None:
    """Judge every member that is given, whether or not something reads it later."""
    assert layers.file is not None
    for table in (layers.file.top, *layers.file.tables):
        reader = Reader(layers=layers, table=table)
        for member in table.members:
            if member == "source":
                raise reader.refused("source", "is none of the plugin's settings", f"take it out: {_SERVER}")
            if member in MEMBERS:
                _judge(reader, MEMBERS[member])


def _judge(reader: Reader, option: Option) -> None:
    value = reader.value(option.name)
    if option.kind is Kind.PATH and not value.is_absolute():
        raise _relative(reader, option.name, str(value))


def _relative(reader: Reader, name: str, path: str) -> PublisherError:
    return reader.refused(
        name,
        f"{quote(path)} is relative, and would count from wherever spire-server was started",
        "write an absolute path",
    )


def _run_values(reader: Reader) -> dict[str, Any]:
    timeout = reader.given("timeout")
    values = {name.replace("-", "_"): reader.value(name) for name in RUN_MEMBERS}
    if timeout is None or timeout.layer is Layer.DEFAULT:
        values["timeout"] = USUAL_TIMEOUT
    elif values["timeout"] > LONGEST_TIMEOUT:
        raise timeout.refused(
            f"{values['timeout']} s are too long: SPIRE pushes every 30 s and waits for everybody",
            f"write at most {LONGEST_TIMEOUT}s",
        )
    return values


def _select(layers: Layers, own: TrustDomain, timeout: timedelta) -> tuple[Selected[PublishTarget], ...]:
    try:
        return select(layers, lambda reader: _target(reader, own, timeout))
    except UsageError as error:
        # Nothing was typed here, so it asks for what is missing, in words for a command line.
        raise _lacks(layers) from error


def _target(reader: Reader, own: TrustDomain, timeout: timedelta) -> PublishTarget:
    # Whether the file of authorities is there shows when it is used: its absence must not stop the server.
    target = PublishTarget.read(_TextReader(layers=reader.layers, table=reader.table))
    if target.trust_domain not in (None, own):
        raise reader.refused(
            "trust-domain",
            f"{target.trust_domain} is not this server's trust domain, {own}",
            "take it out, or write it into the configuration of that trust domain's server",
        )
    sink = given_to(reader, "sink")
    if (
        isinstance(target.sink, DirectoryAddress)
        and sink.layer is Layer.FILE
        and not Path(target.sink.path).is_absolute()
    ):
        raise _relative(reader, "sink", target.sink.path)
    confirm_every, due_after = reader.value("confirm-every"), target.documents.due_after.total_seconds()
    if confirm_every >= due_after:
        raise reader.refused(
            reader.closest("confirm-every", "due-after"),
            f"confirm_every ({confirm_every} s) is not below due_after ({due_after:g} s)",
            "confirm several times before a publication is due",
        )
    timing = replace(read_timing(reader, _SOURCE.kind), run_time=timeout)
    return replace(
        target,
        source=_SOURCE,
        trust_domain=own,
        ca_file=reader.value("ca-file"),
        documents=replace(target.documents, timing=timing),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _TextReader(Reader):
    """Read everything but the one value that would be looked up in the file system."""

    def value(self, name: str) -> Any:
        return None if name == "ca-file" else Reader.value(self, name)


def _lacks(layers: Layers) -> PublisherError:
    examples = {"issuer": 'issuer = "https://..."', "sink": 'sink = "gs://..."'}
    file, missing = layers.file, Reader(layers=layers).missing()
    where = hcl.PLACE if file is None or isinstance(file, PluginData) else quote(str(file.path))
    return SettingsError(
        where,
        f"has no {' and no '.join(option.member for option in missing)}",
        f"add {' and '.join(examples[option.name] for option in missing)}",
    )


def _is_bad(one: Selected[PublishTarget]) -> bool:
    return isinstance(one.settings, PublisherError)


def _named(name: str | None, error: object) -> PublisherError:
    assert isinstance(error, PublisherError)
    if name is None or name in error.where:
        return error
    return SettingsError(f"publication {name}: {error.where}", error.what, error.remedy)


def _publication(one: Selected[PublishTarget]) -> Publication:
    assert isinstance(one.settings, PublishTarget)
    return Publication(name=one.name, target=one.settings)
