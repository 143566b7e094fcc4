"""Say what is to be at Google, and what differs from what is there. Pure: no network, no clock."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from publisher.errors import BundleError
from publisher.gcp.certificate import Certificate
from publisher.gcp.mapping import AttributeMapping
from publisher.gcp.provider_name import Provider
from publisher.gcp.trust_store import TrustStore
from publisher.oidc.issuer import Issuer
from publisher.quoting import quote

WORKLOAD_USER = "roles/iam.workloadIdentityUser"
"""The role on a service account that lets a member act as it."""

DESCRIPTION = "SPIFFE identities; made with spire-oidc-publisher gcp setup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Oidc:
    """Trust the JWT-SVIDs of an issuer; without allowed audiences, for the provider's own name."""

    issuer: Issuer
    allowed_audiences: tuple[str, ...] = ()

    @property
    def body(self) -> dict[str, Any]:
        """Give the provider's `oidc` as the API has it."""
        found: dict[str, Any] = {"issuerUri": self.issuer.url}
        if self.allowed_audiences:
            found["allowedAudiences"] = list(self.allowed_audiences)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class X509:
    """Trust the X.509-SVIDs below the anchors of a trust store."""

    trust_store: TrustStore

    @property
    def body(self) -> dict[str, Any]:
        """Give the provider's `x509` as the API has it."""
        return {"trustStore": self.trust_store.body}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Hold all that is to be at Google; `members` are to have `WORKLOAD_USER` on the service account.

    `trust_store_only`: of a provider that is there, the trust store and nothing else; `mapping` then counts
    for nothing. `keeps_intermediates`: those that are there stay.
    """

    provider: Provider
    trust: Oidc | X509
    mapping: AttributeMapping
    service_account: str | None = None
    members: tuple[str, ...] = ()
    trust_store_only: bool = False
    keeps_intermediates: bool = False

    @property
    def pool_body(self) -> dict[str, Any]:
        """Give the pool as the API takes it at its creation."""
        return {"description": DESCRIPTION}

    @property
    def provider_body(self) -> dict[str, Any]:
        """Give the provider as the API takes it at its creation, or the part of it that is wanted."""
        if self.trust_store_only:
            return {self.kind: self.trust.body}
        return {
            "description": DESCRIPTION,
            "attributeMapping": self.mapping.expressions,
            "attributeCondition": self.mapping.condition,
            self.kind: self.trust.body,
        }

    @property
    def kind(self) -> str:
        """Give the member of the provider that says whom it trusts: `oidc` or `x509`."""
        return "oidc" if isinstance(self.trust, Oidc) else "x509"

    def beside(self, found: Mapping[str, Any] | None) -> Self:
        """Give what is wanted of this provider: with the intermediates that it has, if they are kept.

        Raises:
            BundleError: the trust store that is there cannot be read.

        """
        if not self.keeps_intermediates or not isinstance(self.trust, X509):
            return self
        there = TrustStore.parse(store_body(found), where=self.provider.name)
        store = replace(self.trust.trust_store, intermediates=there.intermediates)
        return replace(self, trust=X509(trust_store=store))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Say what differs in one field: `field` as in an update mask, and what a person reads of either side.

    `lines` begin with `-` for what is there and `+` for what is to be; unchanged parts are not among them.
    """

    field: str
    lines: tuple[str, ...]


def provider_differences(wanted: Wanted, found: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Compare the fields that `gcp setup` looks after; others (names, descriptions, uploaded keys) stay.

    Raises:
        BundleError: the trust store that is there cannot be read.

    """
    differences: list[Difference | None] = []
    if not wanted.trust_store_only:
        condition = found.get("attributeCondition", "")
        differences += [
            _of_mapping(wanted.mapping.expressions, found.get("attributeMapping")),
            _of_value("attributeCondition", condition, wanted.mapping.condition),
        ]
    match wanted.trust:
        case Oidc(issuer=issuer, allowed_audiences=audiences):
            oidc = found.get("oidc") or {}
            differences += [
                _of_value("oidc.issuerUri", oidc.get("issuerUri", ""), issuer.url),
                _of_list("oidc.allowedAudiences", oidc.get("allowedAudiences") or [], audiences),
            ]
        case X509(trust_store=store):
            differences.append(store_difference(store, store_body(found)))
    return tuple(one for one in differences if one is not None)


def store_body(found: Mapping[str, Any] | None) -> object:
    """Give the trust store of a provider as the API shows it; of none, or of another kind, an empty one."""
    return ((found or {}).get("x509") or {}).get("trustStore") or {}


def store_difference(
    wanted: TrustStore, body: object, *, where: str = "trust store of the provider"
) -> Difference | None:
    """Compare a trust store with the one that is there, certificate by certificate; None: they are equal.

    Raises:
        BundleError: the one that is there cannot be read.

    """
    there = TrustStore.parse(body, where=where)
    lines: list[str] = []
    for kind, old, new in (
        ("anchor", there.anchors, wanted.anchors),
        ("intermediate", there.intermediates, wanted.intermediates),
    ):
        kept = {one.thumbprint for one in old} & {one.thumbprint for one in new}
        lines += [f"- {kind} {one.name}" for one in old if one.thumbprint not in kept]
        lines += [f"+ {kind} {one.name}" for one in new if one.thumbprint not in kept]
    return Difference(field="x509.trustStore", lines=tuple(lines)) if lines else None


def shares_no_anchor(wanted: TrustStore, body: object, *, where: str) -> bool:
    """Tell whether there are anchors and none of them stays: every workload of today would be locked out.

    A store that cannot be read shares none.
    """
    try:
        old = {one.thumbprint for one in TrustStore.parse(body, where=where).anchors}
    except BundleError:
        return True
    return bool(old) and old.isdisjoint({one.thumbprint for one in wanted.anchors})


def lost_anchors(wanted: TrustStore, body: object, *, now: datetime, where: str) -> tuple[Certificate, ...]:
    """Give the anchors that would go though they still hold and began later than every one that is wanted.

    SPIRE takes the older root away, never the newest: so either a source that has fallen behind is asked,
    such as an agent whose server is dead, or somebody revoked the newest root by hand.

    Raises:
        BundleError: the trust store that is there cannot be read.

    """
    kept = {one.thumbprint for one in wanted.anchors}
    newest = max(one.not_before for one in wanted.anchors)
    return tuple(
        one
        for one in TrustStore.parse(body, where=where).anchors
        if one.thumbprint not in kept and one.not_before > newest and one.not_after > now
    )


def update_body(wanted: Wanted, differences: tuple[Difference, ...]) -> tuple[dict[str, Any], str]:
    """Give the body and the update mask of a change of exactly these fields.

    Without `oidc.jwksJson` in the mask, keys that were uploaded stay.
    """
    body: dict[str, Any] = {}
    whole = wanted.provider_body
    for one in differences:
        *outer, last = one.field.split(".")
        source, target = whole, body
        for step in outer:
            source, target = source[step], target.setdefault(step, {})
        if last in source:
            target[last] = source[last]
        elif one.field == "oidc.allowedAudiences":
            target[last] = []
    return body, ",".join(one.field for one in differences)


def _of_value(field: str, old: object, new: str) -> Difference | None:
    if old == new:
        return None
    return Difference(field=field, lines=(*((f"- {quote(old, 400)}",) if old else ()), f"+ {new}"))


def _of_list(field: str, old: object, new: tuple[str, ...]) -> Difference | None:
    there = [one for one in old if isinstance(one, str)] if isinstance(old, list) else []
    if set(there) == set(new):
        return None
    return Difference(
        field=field,
        lines=(
            *(f"- {quote(one)}" for one in there if one not in new),
            *(f"+ {one}" for one in new if one not in there),
        ),
    )


def _of_mapping(new: Mapping[str, str], found: object) -> Difference | None:
    old = found if isinstance(found, Mapping) else {}
    if dict(old) == dict(new):
        return None
    lines = [
        f"- {quote(name)} = {quote(old[name], 400)}" for name in sorted(old) if old[name] != new.get(name)
    ]
    lines += [f"+ {name} = {new[name]}" for name in new if new[name] != old.get(name)]
    return Difference(field="attributeMapping", lines=tuple(lines))


def trust_store_file(store: TrustStore) -> bytes:
    """Give the file that `gcloud --trust-store-config-path` takes: YAML, of which this JSON is a part."""
    return (json.dumps({"trustStore": store.body}, indent=2) + "\n").encode()
