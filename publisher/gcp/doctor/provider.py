"""The stages that hold the JWT-SVID to the provider: is it there, of that issuer, for that audience."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from publisher.errors import PublisherError
from publisher.findings import Finding, Severity
from publisher.gcp.credential_config import Way
from publisher.gcp.doctor.stage import Seen, error, fine, unknown
from publisher.gcp.doctor.target import Target
from publisher.gcp.doctor.token import JwtSeen
from publisher.gcp.provider_name import Provider
from publisher.quoting import quote

ReadResource = Callable[[str], Mapping[str, Any] | None]
"""Read a pool or provider by its name; None: it is not there. Raises PublisherError: it may not be read."""

VIEWER = "roles/iam.workloadIdentityPoolViewer"
"""The role with which a provider can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSeen:
    """Hold a provider as the IAM API shows it; `body` None: it could not be read."""

    body: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def oidc(self) -> Mapping[str, Any]:
        """Give what it says of its issuer; empty where it is unknown, or of X.509."""
        return self._object("oidc")

    @property
    def trust_store(self) -> object:
        """Give its X.509 trust store; None: unknown, or an OIDC provider."""
        return self._object("x509").get("trustStore")

    @property
    def issuer(self) -> str | None:
        """Give its issuer; None: unknown."""
        issuer = self.oidc.get("issuerUri")
        return issuer if isinstance(issuer, str) else None

    @property
    def discovery_uri(self) -> str | None:
        """Give where Google reads the configuration document, if not at the issuer's usual place."""
        uri = self.oidc.get("discoveryUri")
        return uri if isinstance(uri, str) and uri else None

    @property
    def uploaded(self) -> str | None:
        """Give the JWKS that was uploaded; None: Google fetches it, or that is unknown."""
        uploaded = self.oidc.get("jwksJson")
        return uploaded if isinstance(uploaded, str) and uploaded else None

    @property
    def mapping(self) -> Mapping[str, Any] | None:
        """Give the attribute mapping; None: unknown."""
        return None if self.body is None else self._object("attributeMapping")

    @property
    def condition(self) -> str:
        """Give the attribute condition; empty: none, or unknown."""
        condition = (self.body or {}).get("attributeCondition")
        return condition if isinstance(condition, str) else ""

    def audiences(self, provider: Provider) -> tuple[str, ...] | None:
        """Give what `aud` may be; None: unknown."""
        if self.body is None:
            return None
        listed = self.oidc.get("allowedAudiences")
        if isinstance(listed, list) and listed:
            return tuple(one for one in listed if isinstance(one, str))
        return provider.audience, f"https:{provider.audience}"

    def _object(self, name: str) -> Mapping[str, Any]:
        found = (self.body or {}).get(name)
        return found if isinstance(found, Mapping) else {}


def look_at_provider(target: Target, read: ReadResource | None) -> tuple[Seen, ProviderSeen]:
    """Read pool and provider from the IAM API, where the credentials of this process permit it."""
    where = f"provider {target.provider.name}"
    if read is None:
        return unknown(
            where, "is not read (--no-read-provider); what follows goes by options"
        ), ProviderSeen()
    try:
        pool, body = read(target.provider.pool), read(target.provider.name)
    except PublisherError as failure:
        said = f"cannot be read from here ({failure.where}: {failure.what}); what follows goes by options"
        remedy = f"to see more, run with credentials that have {VIEWER}"
        return unknown(where, said, remedy), ProviderSeen()
    for kind, found, name in (("pool", pool, target.provider.pool), ("provider", body, target.provider.name)):
        broken = _out_of_use(f"{kind} {name}", kind, found)
        if broken is not None:
            return broken, ProviderSeen()
    wanted, other = ("x509", "oidc") if target.way is Way.X509 else ("oidc", "x509")
    assert body is not None  # else it was out of use
    if wanted not in body:
        kind = "an X.509 provider" if other == "x509" else "an OIDC provider"
        remedy = f"name the other provider, or {'leave out' if wanted == 'x509' else 'use'} --way x509"
        return error("GCP006", where, f"is {kind if other in body else 'of another kind'}", remedy), (
            ProviderSeen()
        )
    return fine(where, "is active, as the IAM API shows it"), ProviderSeen(body=body)


def _out_of_use(where: str, kind: str, found: Mapping[str, Any] | None) -> Seen | None:
    command = "workload-identity-pools" + ("" if kind == "pool" else " providers")
    if found is None:
        return error(
            "GCP006", where, "is not there", "correct --provider, or make it: spire-oidc-publisher gcp setup"
        )
    if found.get("state") != "ACTIVE":
        return error(
            "GCP006",
            where,
            f"is {quote(found.get('state'), 40)}",
            f"gcloud iam {command} undelete, or make it anew",
        )
    if found.get("disabled"):
        return error("GCP006", where, "is disabled", f"gcloud iam {command} update --no-disabled")
    return None


def look_at_provider_issuer(svid: JwtSeen, provider: ProviderSeen, target: Target) -> Seen:
    """Compare `iss` with the provider's issuer, byte for byte."""
    known = provider.issuer or target.issuer
    found = svid.claims.get("iss")
    source = "as the IAM API shows it" if provider.issuer else "as --issuer says"
    where = "issuer of the provider"
    if known is None:
        return unknown(where, "is not known here", "give --issuer, or credentials that may read the provider")
    if found != known:
        near = isinstance(found, str) and found.rstrip("/") == known.rstrip("/")
        what = f"is {quote(known)} ({source}), and the JWT-SVID says {quote(found)}"
        return error(
            "GCP007",
            where,
            what + (": the final slash counts" if near else ""),
            "make the two equal byte for byte: jwt_issuer in SPIRE's server.conf, or the provider's issuer "
            "(spire-oidc-publisher gcp setup --issuer)",
        )
    return fine(where, f"{quote(known)} ({source})", notes=_differing_option(provider, target))


def _differing_option(provider: ProviderSeen, target: Target) -> tuple[Finding, ...]:
    if provider.issuer is None or target.issuer in {None, provider.issuer}:
        return ()
    return (
        Finding(
            code="GCP007",
            severity=Severity.WARNING,
            where="--issuer",
            what=f"says {quote(target.issuer)}, and the provider has {quote(provider.issuer)}",
            remedy="correct the option; the provider's own counts",
        ),
    )


def look_at_audience(svid: JwtSeen, provider: ProviderSeen, target: Target) -> Seen:
    """Compare `aud` with what the provider allows, or with its default where it names none."""
    where = "aud of the JWT-SVID"
    allowed = provider.audiences(target.provider)
    has = ", ".join(quote(one) for one in svid.audiences[:3])
    if allowed is None:
        default = {target.provider.audience, f"https:{target.provider.audience}"}
        usual = " (the default one)" if default & set(svid.audiences) else ""
        return unknown(where, f"it is {has}{usual}; what the provider allows is not known here")
    if not set(allowed) & set(svid.audiences):
        listed = bool(provider.oidc.get("allowedAudiences"))
        what = f"it is {has}, and the provider takes {', '.join(quote(one) for one in allowed[:3])}"
        remedy = f"ask for one of them: --audience {allowed[0]}" + (
            "; with allowed audiences Google refuses the default one" if listed else ""
        )
        return error("GCP012", where, what, remedy)
    return fine(where, has)
