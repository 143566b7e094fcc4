"""The function's settings: environment variables of the publisher's names, parsed once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from publisher.bundle.fetched import SourceKind
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import PublisherError, SettingsError
from publisher.oidc.issuer import Issuer, parse_jwks_path
from publisher.publication.document_set import PublicationSettings
from publisher.publication.validation import Terms
from publisher.quoting import quote
from publisher.serving.policy import ServePolicy, StalePolicy
from publisher.settings.addresses import DirectoryAddress, SinkAddress, SourceAddress, parse_sink
from publisher.settings.options import Kind, Option, Scope, named
from publisher.settings.values import BadValueError, https_url, parse

OPTIONS = {
    option.name: option
    for option in (
        *(
            named(name)
            for name in (
                "source",
                "sink",
                "issuer",
                "trust-domain",
                "jwks-path",
                "jwks-max-age",
                "configuration-max-age",
                "due-after",
                "stale-after",
                "authorization-endpoint",
                "signing-algorithms",
                "ca-file",
            )
        ),
        Option(
            "refresh-interval",
            Kind.DURATION,
            Scope.RUN,
            (),
            "How old a snapshot may be when it is served.",
            default="30s",
            bounds=("1s", "1h"),
        ),
        Option(
            "stale-policy",
            Kind.CHOICE,
            Scope.RUN,
            (),
            "Whether a stale publication is served, with an alarm, or refused.",
            default="serve",
            choices=tuple(StalePolicy),
        ),
        Option(
            "refuse-after",
            Kind.DURATION,
            Scope.RUN,
            (),
            "When, after its last confirmation, nothing is served any more, whatever the policy.",
            default="24h",
            bounds=("1m", "365d"),
        ),
        Option("status-token", Kind.TEXT, Scope.RUN, (), "The bearer token of /status and /metrics."),
        Option(
            "settle-time",
            Kind.DURATION,
            Scope.RUN,
            (),
            "How long validate waits before a disagreement is an error.",
            default="30s",
            bounds=("0s", "9m"),
        ),
    )
}
"""Every setting of the function. An empty variable counts as absent, as everywhere."""

STATUS_PATHS = ("/status", "/metrics")
"""Where the watchman answers, whatever the issuer's path."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{8,512}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Hold the settings of one function. `place` is a sink to read or a bundle endpoint to fetch from.

    `policy` has the periods that were given; what was not is left to the manifest.
    """

    documents: PublicationSettings
    place: SinkAddress | SourceAddress
    trust_domain: TrustDomain | None
    ca_file: Path | None
    policy: ServePolicy
    refresh_interval: timedelta
    settle_time: timedelta
    status_token: str | None = field(repr=False)

    @property
    def terms(self) -> Terms:
        """Give what a publication must be to be served."""
        return Terms(
            issuer=self.documents.issuer,
            jwks_path=self.documents.jwks_path,
            trust_domain=None if self.trust_domain is None else str(self.trust_domain),
        )

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Read all of them.

        Raises:
            SettingsError: the first that is missing or bad; its text is for the log, not for an answer.

        """
        reader = _Reader(environment)
        issuer: Issuer = reader.required("issuer", Issuer.parse)
        due_after, stale_after = reader.value("due-after"), reader.value("stale-after")
        if due_after >= stale_after:
            raise reader.refused(
                "stale-after", "is not above due-after", "leave time between the two to act in"
            )
        refresh_interval = reader.period("refresh-interval")
        if 2 * refresh_interval > timedelta(seconds=stale_after):
            # Who looks less often can tell no sleep from its own pause, and would drop its guards each time.
            raise reader.refused(
                "refresh-interval", "is more than half of stale-after", "look at least twice in that time"
            )
        jwks_path = reader.parsed("jwks-path", parse_jwks_path)
        if any(issuer.document_url(jwks_path).endswith(_host_of(issuer) + path) for path in STATUS_PATHS):
            raise reader.refused("jwks-path", "is taken by the status", "choose another path")
        place = _place(reader)
        trust_domain = reader.parsed("trust-domain", TrustDomain.parse)
        if isinstance(place, SourceAddress) and trust_domain is None:
            raise reader.missing("trust-domain", "a bundle endpoint does not tell its trust domain")
        return cls(
            documents=PublicationSettings(
                issuer=issuer,
                jwks_path=jwks_path,
                jwks_max_age=reader.period("jwks-max-age"),
                configuration_max_age=reader.period("configuration-max-age"),
                authorization_endpoint=_authorization_endpoint(reader, issuer),
                algorithms=reader.value("signing-algorithms"),
                due_after=reader.period("due-after"),
                stale_after=reader.period("stale-after"),
            ),
            place=place,
            trust_domain=trust_domain,
            ca_file=_ca_file(reader),
            policy=ServePolicy(
                due_after=reader.period("due-after") if reader.has("due-after") else None,
                stale_after=reader.period("stale-after") if reader.has("stale-after") else None,
                when_stale=StalePolicy(reader.value("stale-policy")),
                refuse_after=reader.period("refuse-after"),
            ),
            refresh_interval=refresh_interval,
            settle_time=reader.period("settle-time"),
            status_token=_status_token(reader),
        )


class _Reader:
    """Read typed values; every refusal names the variable."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def has(self, name: str) -> bool:
        return bool(self._environment.get(OPTIONS[name].variable))

    def value(self, name: str) -> Any:
        option = OPTIONS[name]
        text = self._environment.get(option.variable) or option.default
        if text is None:
            return None
        try:
            return parse(option, text)
        except BadValueError as error:
            raise self.refused(name, error.what, error.remedy) from error

    def period(self, name: str) -> timedelta:
        return timedelta(seconds=self.value(name))

    def parsed(self, name: str, read: Any) -> Any:
        """Read a text by a parser of the core, whose errors are translated; None: absent."""
        text = self.value(name)
        if text is None:
            return None
        try:
            return read(text)
        except BadValueError as error:
            raise self.refused(name, error.what, error.remedy) from error
        except PublisherError as error:
            raise self.refused(name, f"{error.where} {error.what}", error.remedy) from error

    def required(self, name: str, read: Any) -> Any:
        if not self.has(name):
            raise self.missing(name, "is required")
        return self.parsed(name, read)

    def refused(self, name: str, what: str, remedy: str) -> SettingsError:
        return SettingsError(OPTIONS[name].variable, what, remedy)

    def missing(self, name: str, what: str) -> SettingsError:
        return SettingsError(OPTIONS[name].variable, what, "set it in the function's environment")


def _place(reader: _Reader) -> SinkAddress | SourceAddress:
    if reader.has("sink") and reader.has("source"):
        raise reader.refused("source", "is set, and so is the sink", "set one of the two")
    if reader.has("sink"):
        sink: SinkAddress = reader.parsed("sink", parse_sink)
        if isinstance(sink, DirectoryAddress) and not Path(sink.path).is_dir():
            raise reader.refused("sink", f"{sink} is no directory", "make it, or correct the path")
        return sink
    if not reader.has("source"):
        raise reader.missing("sink", "is required, or a source of bundle-endpoint:https://...")
    source: SourceAddress = reader.parsed("source", lambda text: SourceAddress.parse(text, {}))
    if source.kind is not SourceKind.BUNDLE_ENDPOINT:
        raise reader.refused(
            "source", "a function reaches no socket and no file", "write bundle-endpoint:https://..."
        )
    return source


def _authorization_endpoint(reader: _Reader, issuer: Issuer) -> str | None:
    if not reader.has("authorization-endpoint"):
        return issuer.document_url("authorize")
    endpoint: str | None = reader.parsed(
        "authorization-endpoint", lambda text: None if text == "none" else https_url(text)
    )
    return endpoint


def _ca_file(reader: _Reader) -> Path | None:
    path: Path | None = reader.value("ca-file")
    if path is not None:
        import ssl  # noqa: PLC0415 (lazy: few have such a file)

        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except OSError as error:  # an ssl.SSLError is one
            what = f"{quote(str(path))} holds no certificates that can be read"
            raise reader.refused("ca-file", what, "give a readable PEM file of CA certificates") from error
    return path


def _status_token(reader: _Reader) -> str | None:
    token: str | None = reader.value("status-token")
    if token is not None and not _TOKEN.fullmatch(token):
        remedy = "set 8 to 512 of the characters A-Z a-z 0-9 . _ ~ + / = - (RFC 6750 section 2.1)"
        raise reader.refused("status-token", "is no bearer token (not shown)", remedy)
    return token


def _host_of(issuer: Issuer) -> str:
    return issuer.url.removeprefix("https://").partition("/")[0]
