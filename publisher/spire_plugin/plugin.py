"""The plugin behind its gRPC services: settings, publications side by side, and what SPIRE is answered."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from publisher.bundle.fetched import SourceKind
from publisher.errors import BundleError, PublisherError, SettingsError
from publisher.ports import Clock
from publisher.sources.spire_bundle import fetched
from publisher.spire_plugin import settings as plugin_settings
from publisher.spire_plugin.protocol import plugin_pb2
from publisher.spire_plugin.publication import Intervals, OpenAdapters, PushedPublication
from publisher.spire_plugin.settings import BadSettingsError, PluginSettings, Publication
from publisher.spire_plugin.turns import Turns
from publisher.use_cases.standing import Standing

GRACE = 3.0
"""Seconds beyond the time of a publication in which it may still end by itself, with a better message."""

LONGEST_HANG = 60.0
"""Seconds after which the next answer about work that hangs in a library ends the worker."""

WHERE = "SPIRE's server"
_LOG = logging.getLogger(__name__)

Failures = list[tuple[str | None, PublisherError]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """Hold what the plugin asks of its process.

    `told` is given the standing of all publications after every round, and where to write metrics;
    `hung` is called, once or more, when a library hangs for good; `verbose` sets how much is logged.
    """

    clock: Clock
    open_adapters: OpenAdapters
    told: Callable[[PluginSettings, list[Standing]], None] = lambda _settings, _standings: None
    hung: Callable[[str], None] = lambda _text: None
    verbose: Callable[[bool], None] = lambda _on: None


@dataclass(slots=True)
class _Configured:
    settings: PluginSettings
    turns: list[Turns]
    standings: dict[str | None, Standing] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Hold what was accepted: a `plugin_data`, the server's trust domain, and the text of its `config_file`.

    With that text, so that an edit of the file takes effect when SPIRE configures, and never by accident.
    """

    text: str
    trust_domain: str
    file: str | None = None


class Plugin:
    """Be configured, and publish what is pushed. Safe in many threads."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._lock = threading.Lock()
        self._configured: _Configured | None = None
        self._kept: Accepted | None = None  # by the worker before this one, and not by this one

    def validate(self, text: str, trust_domain: str) -> tuple[str, ...]:
        """Judge a `plugin_data`, and give what is wrong with it; empty: nothing."""
        try:
            plugin_settings.read(text, trust_domain)
        except BadSettingsError as error:
            return tuple(str(one) for one in error.every)
        return ()

    def configure(self, text: str, trust_domain: str) -> Accepted:
        """Work by this `plugin_data` from now on; nothing changes if it is refused.

        Gives what another worker needs to be the same.

        Raises:
            BadSettingsError: it is.

        """
        read = plugin_settings.read(text, trust_domain)
        self._work_by(read)
        return Accepted(text=text, trust_domain=trust_domain, file=read.file)

    def restore(self, accepted: Accepted) -> None:
        """Work by what was accepted before; if it is not now, every push says why.

        That can only be because of another version of this program: no file is read again.
        """
        try:
            self._work_by(_read(accepted))
        except BadSettingsError as error:
            _LOG.error("the settings are no longer accepted: %s", error.text)
            self._kept = accepted

    def _work_by(self, read: PluginSettings) -> None:
        with self._lock:
            before, self._kept = self._configured, None
            if before is not None and before.settings == read:
                return
            self._configured = self._begin(read)
            self._around.verbose(read.verbose)
        if before is not None:
            for turns in before.turns:
                turns.close()
        for publication in read.publications:
            _LOG.info(
                "configured: %s is published at %s",
                publication.target.documents.issuer,
                publication.target.sink,
            )

    def publish(self, request: bytes) -> Failures:
        """Publish the bundle of a request everywhere; give what failed, none: all is read back."""
        try:
            configured = self._ready()
            pushed = fetched(
                _message(request).bundle,
                configured.settings.trust_domain,
                source=SourceKind.SPIRE_PLUGIN,
                where=WHERE,
            )
        except PublisherError as error:
            return [(None, error)]
        waiting = [(turns, turns.push(pushed)) for turns in configured.turns]
        end = self._around.clock.monotonic() + configured.settings.timeout + GRACE
        failed: Failures = []
        for turns, turn in waiting:
            refused = turn.wait(max(end - self._around.clock.monotonic(), 0.0))
            if refused is not None:
                failed.append((turns.name, refused))
            if turns.hangs_for() > LONGEST_HANG:
                self._around.hung(f"publication {turns.name}" if turns.name else "the publication")
        return failed

    def _ready(self) -> _Configured:
        kept = self._kept
        if kept is not None:
            self._work_by(_read(kept))
        with self._lock:
            if self._configured is None:
                raise SettingsError(
                    "plugin", "is not configured", "write plugin_data { ... } into server.conf"
                )
            return self._configured

    def _begin(self, read: PluginSettings) -> _Configured:
        configured = _Configured(read, [])
        for publication in read.publications:
            configured.turns.append(self._turns(publication, configured))
        return configured

    def _turns(self, publication: Publication, configured: _Configured) -> Turns:
        clock, read = self._around.clock, configured.settings
        target = publication.target
        configured.standings[publication.name] = Standing(
            name=publication.name,
            issuer=target.documents.issuer.url,
            place=target.sink.uri,
            started_at=clock.now(),
        )

        def ended(result: Any, seconds: float) -> None:
            with self._lock:
                standing = configured.standings[publication.name]
                configured.standings[publication.name] = standing.after(
                    result, at=clock.now(), seconds=seconds
                )
                standings = list(configured.standings.values())
            self._around.told(read, standings)

        work = PushedPublication(
            target=target,
            intervals=Intervals(
                confirm_every=read.confirm_every, drift_every=read.drift_every, timeout=read.timeout
            ),
            clock=clock,
            open_adapters=self._around.open_adapters,
            ended=ended,
        )
        return Turns(publication.name, work.work, accepted=work.source.push, clock=clock)


def _read(accepted: Accepted) -> PluginSettings:
    return plugin_settings.read(accepted.text, accepted.trust_domain, accepted.file)


def _message(request: bytes) -> plugin_pb2.PublishBundleRequest:
    message = plugin_pb2.PublishBundleRequest()
    try:
        message.ParseFromString(request)
    except DecodeError as error:
        raise BundleError(
            WHERE, "this is no PublishBundleRequest", "only spire-server may call this plugin"
        ) from error
    return message
