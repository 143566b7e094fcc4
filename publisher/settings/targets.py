"""What each command works on: one publication's settings, typed."""

import os.path
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import PublisherError, SettingsError
from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH, Issuer, parse_jwks_path
from publisher.publication.document_set import PublicationSettings
from publisher.publication.rules import Overrides
from publisher.quoting import quote
from publisher.settings.addresses import (
    SOCKET_VARIABLE,
    BadSocketVariableError,
    ProviderAddress,
    PublishAddress,
    SourceAddress,
    parse_publish_sink,
)
from publisher.settings.check_target import given_to, read_ca_file, read_issuer
from publisher.settings.layers import Layer, Reader
from publisher.settings.run import Selected
from publisher.settings.timing import read_timing
from publisher.settings.values import BadValueError, https_url

PLANNED = ".planned"
"""What the name of a second state file ends with, where the first one is the manifest (ADR 0018)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderTarget:
    """Hold what `render` needs: a source, what to fetch from it, and what to make of it."""

    source: SourceAddress
    trust_domain: TrustDomain | None
    ca_file: Path | None
    documents: PublicationSettings

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the settings of one publication for `render`.

        Raises:
            UsageError: a value of the command line is bad or missing.
            SettingsError: one of the environment or the file is.

        """
        issuer = read_issuer(reader)
        return cls(
            source=_source(reader),
            trust_domain=_trust_domain(reader),
            ca_file=read_ca_file(reader),
            documents=PublicationSettings(
                issuer=issuer,
                jwks_path=_jwks_path(reader),
                authorization_endpoint=_authorization_endpoint(reader, issuer),
                algorithms=reader.value("signing-algorithms"),
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishTarget:
    """Hold what `publish` needs: source, documents, sink, memory, and what to check afterwards."""

    source: SourceAddress
    trust_domain: TrustDomain | None
    ca_file: Path | None
    documents: PublicationSettings
    sink: PublishAddress
    bucket_url: str | None
    state_file: Path | None
    verify_url: bool
    overrides: Overrides

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the settings of one publication for `publish`.

        Raises:
            UsageError: a value of the command line is bad or missing.
            SettingsError: one of the environment or the file is.

        """
        issuer = read_issuer(reader)
        due_after, stale_after = reader.value("due-after"), reader.value("stale-after")
        if due_after >= stale_after:
            # Whoever set one of the two closer to this run is the one to correct it.
            name = min(("stale-after", "due-after"), key=lambda name: _layer(reader, name).value)
            raise reader.refused(
                name,
                f"--due-after ({due_after} s) is not below --stale-after ({stale_after} s)",
                "leave time between the two to act in",
            )
        source, sink = _source(reader), _sink(reader)
        uploaded = isinstance(sink, ProviderAddress)
        if uploaded and reader.value("state-file") is None:
            raise given_to(reader, "sink").refused(
                "has no place for a manifest, and there is no state file that could play its part",
                "set --state-file to a path of its own in a folder that stays",
            )
        return cls(
            source=source,
            trust_domain=_trust_domain(reader),
            ca_file=read_ca_file(reader),
            documents=PublicationSettings(
                issuer=issuer,
                jwks_path=_jwks_path(reader),
                jwks_max_age=timedelta(seconds=reader.value("jwks-max-age")),
                configuration_max_age=timedelta(seconds=reader.value("configuration-max-age")),
                authorization_endpoint=_authorization_endpoint(reader, issuer),
                algorithms=reader.value("signing-algorithms"),
                due_after=timedelta(seconds=due_after),
                stale_after=timedelta(seconds=stale_after),
                timing=read_timing(reader, source.kind),
                uploaded=uploaded,
            ),
            sink=sink,
            bucket_url=_bucket_url(reader),
            state_file=reader.value("state-file"),
            verify_url=reader.value("verify-url") and not uploaded,  # there may be no public URL at all
            overrides=Overrides(
                accept_disjoint_keys=reader.value("accept-disjoint-keys"),
                accept_lower_sequence=reader.value("accept-lower-sequence"),
            ),
        )

    @property
    def objects(self) -> frozenset[str]:
        """Name every object that this publication writes, each in its one spelling."""
        paths = (self.documents.jwks_path, CONFIGURATION_PATH, MANIFEST_PATH)
        return frozenset(f"{self.sink.identity}/{path}" for path in paths)


def refuse_clashes(selected: Iterable[Selected[PublishTarget]]) -> None:
    """Refuse two publications that would undo each other at every run.

    Raises:
        SettingsError: they write the same object, or the same state file; or both want another trust domain
            of standard input, which can be read once.

    """
    owners: dict[str, str | None] = {}
    piped: PublishTarget | None = None
    for one in selected:
        if isinstance(one.settings, PublisherError):
            continue
        if one.settings.source.is_standard_input:
            piped = piped or one.settings
            if piped.trust_domain != one.settings.trust_domain:
                raise SettingsError(
                    f"publication {one.name}",
                    "wants another trust domain of standard input, which can be read once only",
                    "write the input to a file, and name that",
                )
        places = dict.fromkeys(one.settings.objects, f"sink {one.settings.sink}")
        if one.settings.state_file is not None:
            path = str(one.settings.state_file)
            places[os.path.realpath(path)] = f"state file {quote(path)}"
            if one.settings.documents.uploaded:
                places[os.path.realpath(f"{path}{PLANNED}")] = f"state file {quote(path)}"
        for place, shown in places.items():
            if place in owners:
                raise SettingsError(
                    f"publication {one.name}",
                    f"has the same {shown} as publication {owners[place]}",
                    "give each publication its own",
                )
        owners.update(dict.fromkeys(places, one.name))


def _layer(reader: Reader, name: str) -> Layer:
    given = reader.given(name)
    return given.layer if given else Layer.DEFAULT


def _source(reader: Reader) -> SourceAddress:
    given = given_to(reader, "source")
    try:
        address = SourceAddress.parse(reader.value("source"), reader.layers.environment)
    except BadSocketVariableError as error:
        raise SettingsError(SOCKET_VARIABLE, error.what, error.remedy) from error
    except BadValueError as error:
        raise given.refused(error.what, error.remedy) from error
    if not address.tells_trust_domain and reader.given("trust-domain") is None:
        raise given.refused(
            "a bundle endpoint does not tell its trust domain", "set --trust-domain to the one it serves"
        )
    return address


def _sink(reader: Reader) -> PublishAddress:
    text = reader.value("sink")
    try:
        return parse_publish_sink(text)
    except BadValueError as error:
        raise given_to(reader, "sink").refused(error.what, error.remedy) from error


def _trust_domain(reader: Reader) -> TrustDomain | None:
    text = reader.value("trust-domain")
    if text is None:
        return None
    try:
        return TrustDomain.parse(text)
    except PublisherError as error:
        raise given_to(reader, "trust-domain").refused(f"{error.where} {error.what}", error.remedy) from error


def _jwks_path(reader: Reader) -> str:
    try:
        return parse_jwks_path(reader.value("jwks-path"))
    except PublisherError as error:
        raise given_to(reader, "jwks-path").refused(f"{error.where} {error.what}", error.remedy) from error


def _bucket_url(reader: Reader) -> str | None:
    text = reader.value("bucket-url")
    if text is None:
        return None
    try:
        return Issuer.parse(text).url.removesuffix("/")
    except PublisherError as error:
        raise given_to(reader, "bucket-url").refused(
            f"{error.what}", "set --bucket-url to the https URL in front of the bucket"
        ) from error


def _authorization_endpoint(reader: Reader, issuer: Issuer) -> str | None:
    text = reader.value("authorization-endpoint")
    if text is None:
        return issuer.document_url("authorize")
    if text == "none":
        return None
    try:
        return https_url(text)
    except BadValueError as error:
        raise given_to(reader, "authorization-endpoint").refused(
            error.what, f"{error.remedy}, or none"
        ) from error
