"""What `gcp setup` works on."""

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

from publisher.bundle.fetched import SourceKind
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import SettingsError
from publisher.findings import Finding, Severity
from publisher.gcp.cel import refuse_unbalanced
from publisher.gcp.mapping import (
    LONGEST_SPIFFE_ID,
    Assertion,
    Attribute,
    AttributeMapping,
    MappingError,
    Prefix,
    must_cut,
)
from publisher.gcp.provider_name import LONGEST_SUBJECT, Provider, ProviderNameError
from publisher.oidc.issuer import Issuer
from publisher.quoting import quote
from publisher.settings.addresses import SOCKET_VARIABLE, BadSocketVariableError, SourceAddress
from publisher.settings.gcp import GcpReader
from publisher.settings.values import BadValueError

_EMAIL = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}@[a-z0-9][a-z0-9.-]{0,252}[a-z0-9]", re.ASCII)
_MOST_AUDIENCES, _LONGEST_AUDIENCE = 10, 256
_MOST_ATTRIBUTES, _MOST_MEMBERS = 49, 100
_OVERRIDES = ("accept-disjoint-anchors", "accept-lost-anchors")
_OF_X509 = ("trust-store-only", "source", "intermediates", "trust-store", "setup-every", *_OVERRIDES)
_OF_OIDC = ("issuer", "allowed-audiences")
_OF_WHOLE = (
    "trust-store",
    "path-prefix",
    "longest-spiffe-id",
    "attributes",
    "condition",
    "service-account",
    "grant-to",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupTarget:
    """Hold the settings of one run. `issuer` is None for X.509, `source` None for OIDC.

    `longest` is what was said of the SPIFFE IDs' bytes; None: nothing. `accepted` are the overrides that were
    given. With `trust_store_only`, what else makes a provider was not read: `mapping` pins the trust domain
    alone.
    """

    provider: Provider
    mapping: AttributeMapping
    longest: int | None
    issuer: Issuer | None
    allowed_audiences: tuple[str, ...]
    source: SourceAddress | None
    intermediates: Path | None
    trust_store: Path | None
    setup_every: timedelta | None
    ca_file: Path | None
    service_account: str | None
    members: tuple[tuple[str, str], ...]
    form: str
    compare: bool
    apply: bool
    trust_store_only: bool
    accepted: frozenset[str]
    timeout: float

    @property
    def trust_domain(self) -> TrustDomain:
        """Give the trust domain whose workloads are let in."""
        return self.mapping.prefix.trust_domain

    @classmethod
    def read(cls, reader: GcpReader) -> Self:
        """Read the settings.

        Raises:
            UsageError: a value of the command line is bad or missing, or two do not go together.
            SettingsError: one of the environment is bad.

        """
        x509 = bool(reader.value("x509"))
        for name in _OF_OIDC if x509 else _OF_X509:
            if name in reader.command_line:
                kind = "a provider for JWT-SVIDs" if x509 else "--x509"
                raise reader.refused(
                    name, f"belongs to {kind} alone", "leave it out, or choose the other kind"
                )
        only = _only(reader)
        provider = reader.parsed("provider", Provider.parse)
        assert provider is not None  # required
        grants = () if only else reader.words("grant-to")
        mapping, longest = (_pinned(reader), None) if only else _mapping(reader, grants, x509=x509)
        account = None if only else reader.parsed("service-account", _email)
        if account is not None and not grants:
            raise reader.refused("grant-to", "is required with --service-account", "say who may act as it")
        form, apply, compare = (reader.value(name) for name in ("format", "apply", "compare"))
        if apply and compare:
            raise reader.refused("compare", "and --apply exclude each other", "--apply compares first, too")
        seconds = reader.value("setup-every")
        return cls(
            provider=provider,
            mapping=mapping,
            longest=longest,
            issuer=None if x509 else _issuer(reader),
            allowed_audiences=() if x509 else _audiences(reader),
            source=_source(reader) if x509 else None,
            intermediates=reader.value("intermediates") if x509 else None,
            trust_store=reader.value("trust-store") if x509 and not only else None,
            setup_every=timedelta(seconds=seconds) if x509 and seconds else None,
            ca_file=_ca_file(reader) if x509 else None,
            service_account=account,
            members=_members(reader, provider, mapping, grants),
            form=form,
            compare=compare,
            apply=apply,
            trust_store_only=only,
            accepted=frozenset(name for name in _OVERRIDES if reader.value(name)),
            timeout=reader.value("timeout"),
        )

    def findings(self) -> tuple[Finding, ...]:
        """Say what these settings mean for tokens that would not come through."""
        if self.trust_store_only:
            return ()
        where = f"provider {self.provider.provider_id}"
        findings = []
        if self.longest is None:
            findings.append(_too_long(self.mapping, where))
        if self.mapping.cut:
            findings.append(_cut(self.mapping, where))
        if self.allowed_audiences:
            findings.append(_no_default_audience(self.allowed_audiences[0], where))
        return tuple(findings)


def _only(reader: GcpReader) -> bool:
    """Read `--trust-store-only`, which goes with none of the options that make a whole provider."""
    if not reader.value("trust-store-only"):
        return False
    for name in _OF_WHOLE:
        if name in reader.command_line:
            raise reader.refused(
                name,
                "is of a whole provider, of which --trust-store-only changes the trust store alone",
                "leave one of the two out",
            )
    if not (reader.value("apply") or reader.value("compare")):
        raise reader.refused(
            "trust-store-only", "is about a provider that is there", "add --apply, or --compare to look only"
        )
    return True


def _pinned(reader: GcpReader) -> AttributeMapping:
    trust_domain = reader.parsed("trust-domain", TrustDomain.parse)
    assert trust_domain is not None  # required
    return AttributeMapping(
        assertion=Assertion.X509, prefix=Prefix(trust_domain=trust_domain, path="/"), cut=False
    )


def _too_long(mapping: AttributeMapping, where: str) -> Finding:
    room = LONGEST_SUBJECT + (len(mapping.prefix.text) if mapping.cut else 0)
    return Finding(
        code="GCP101",
        severity=Severity.INFO,
        where=where,
        what=f"SPIFFE IDs of more than {room} bytes are refused by STS: google.subject has at "
        f"most {LONGEST_SUBJECT}, and a SPIFFE ID may have {LONGEST_SPIFFE_ID}",
        remedy="say with --longest-spiffe-id how long yours are",
    )


def _no_default_audience(audience: str, where: str) -> Finding:
    return Finding(
        code="GCP104",
        severity=Severity.INFO,
        where=where,
        what="with allowed audiences Google refuses the default one, the provider's own name",
        remedy=f"have workloads ask for the audience {quote(audience)}",
    )


def _cut(mapping: AttributeMapping, where: str) -> Finding:
    return Finding(
        code="GCP105",
        severity=Severity.WARNING,
        where=where,
        what=f"subjects lack {mapping.prefix.text}, so another provider of this pool could "
        "make the same ones for other workloads",
        remedy="give each trust domain, and each --path-prefix, a pool of its own",
    )


def _mapping(
    reader: GcpReader, grants: tuple[str, ...], *, x509: bool
) -> tuple[AttributeMapping, int | None]:
    trust_domain = reader.parsed("trust-domain", TrustDomain.parse)
    assert trust_domain is not None  # required
    prefix = reader.parsed("path-prefix", lambda path: Prefix(trust_domain=trust_domain, path=path))
    assert prefix is not None  # it has a default
    samples = tuple(one for one in grants if one.startswith("spiffe://"))
    for one in samples:
        try:
            prefix.refuse_other(one)
        except MappingError as error:
            raise reader.refused("grant-to", f"{error.where} {error.what}", error.remedy) from error
    given = reader.number("longest-spiffe-id", smallest=len(prefix.text) + 1, largest=LONGEST_SPIFFE_ID)
    longest = max([given or 0, *(len(one) for one in samples)])
    blamed = "longest-spiffe-id" if given and given == longest else "grant-to"
    try:
        cut = must_cut(prefix, longest)
    except MappingError as error:
        raise reader.refused(blamed, f"{error.where} {error.what}", error.remedy) from error
    templates = reader.words("attributes")
    if len(templates) > _MOST_ATTRIBUTES:
        raise reader.refused("attributes", f"are more than {_MOST_ATTRIBUTES}", "leave some out")

    def refuse_extra(text: str) -> str:
        refuse_unbalanced(text)
        return text

    extra = reader.parsed("condition", refuse_extra)
    attributes = reader.parsed("attributes", lambda _: tuple(Attribute.parse(one) for one in templates)) or ()
    try:
        mapping = AttributeMapping(
            assertion=Assertion.X509 if x509 else Assertion.JWT,
            prefix=prefix,
            cut=cut,
            attributes=attributes,
            extra_condition=extra,
        )
    except MappingError as error:
        name = "condition" if "condition" in error.where else "attributes"
        raise reader.refused(name, f"{error.where} {error.what}", error.remedy) from error
    return mapping, given


def _members(
    reader: GcpReader, provider: Provider, mapping: AttributeMapping, grants: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    if len(grants) > _MOST_MEMBERS:
        raise reader.refused("grant-to", f"names more than {_MOST_MEMBERS}", "use attribute.NAME=VALUE")
    try:
        return tuple((grant, mapping.member(provider, grant)) for grant in dict.fromkeys(grants))
    except (MappingError, ProviderNameError) as error:
        raise reader.refused("grant-to", f"{error.where} {error.what}", error.remedy) from error


def _issuer(reader: GcpReader) -> Issuer:
    issuer = reader.parsed("issuer", Issuer.parse)
    if issuer is None:
        raise reader.refused("issuer", "is required", "give it, or choose --x509")
    return issuer


def _audiences(reader: GcpReader) -> tuple[str, ...]:
    audiences = tuple(dict.fromkeys(reader.words("allowed-audiences")))
    if len(audiences) > _MOST_AUDIENCES:
        raise reader.refused("allowed-audiences", f"are more than {_MOST_AUDIENCES}", "leave some out")
    for one in audiences:
        if len(one) > _LONGEST_AUDIENCE or not one.isprintable():
            raise reader.refused(
                "allowed-audiences",
                f"has {quote(one)}, which is no audience",
                f"use up to {_LONGEST_AUDIENCE} printable characters each",
            )
    return audiences


def _source(reader: GcpReader) -> SourceAddress:
    try:
        address = SourceAddress.parse(reader.value("source") or "workload-api:", reader.environment)
    except BadSocketVariableError as error:
        raise SettingsError(SOCKET_VARIABLE, error.what, error.remedy) from error
    except BadValueError as error:
        raise reader.refused("source", error.what, error.remedy) from error
    assert address.kind is not SourceKind.SPIRE_PLUGIN
    return address


def _ca_file(reader: GcpReader) -> Path | None:
    path: Path | None = reader.value("ca-file")
    if path is not None and not path.is_file():
        raise reader.refused(
            "ca-file", f"{quote(str(path))} is not a file", "give a file of PEM certificates"
        )
    return path


def _email(text: str) -> str:
    if not _EMAIL.fullmatch(text):
        raise BadValueError(
            f"{quote(text)} is no e-mail address of a service account",
            "write NAME@PROJECT_ID.iam.gserviceaccount.com",
        )
    return text
