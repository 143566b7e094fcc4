"""Make an X.509 provider's trust store from the authorities of a trust bundle, within Google's limits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import BundleError
from publisher.findings import Finding, Severity
from publisher.gcp.certificate import Certificate

MOST_ANCHORS = 3
MOST_INTERMEDIATES = 10

BY_HAND = timedelta(days=7)
"""How much time a person needs who is to run `gcp setup` again."""

_PREPARED, _ACTIVE = timedelta(days=30), timedelta(days=7)
_UPSTREAM = (
    "give SPIRE an UpstreamAuthority whose root lives for years: the trust anchor then stays, and SPIRE's "
    "own authorities are intermediates that workloads send along"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustStore:
    """Hold trust anchors and intermediates, each once, ordered by their end and thumbprint."""

    anchors: tuple[Certificate, ...]
    intermediates: tuple[Certificate, ...] = ()

    @classmethod
    def mirror(
        cls,
        authorities: Iterable[Certificate],
        intermediates: Iterable[Certificate] = (),
        *,
        trust_domain: TrustDomain,
        now: datetime,
        where: str,
    ) -> tuple[Self, tuple[Finding, ...]]:
        """Take every authority of the bundle but the expired ones, which vouch for nobody any more.

        Old and new stand beside each other for as long as SPIRE keeps both: a new anchor comes before the old
        one goes. Nothing is ever cut to fit.

        Raises:
            BundleError: none that is still valid, more than 3, one that is not self-signed, not of this trust
                domain, or of a key that Google does not take; more than 10 intermediates.

        """
        unique = {one.thumbprint: one for one in authorities}.values()
        living = [one for one in unique if one.not_after > now]
        findings = tuple(_expired(one, where) for one in unique if one.not_after <= now)
        for one in living:
            one.refuse_as_anchor(trust_domain, where=where)
        between = list({one.thumbprint: one for one in intermediates}.values())
        for one in between:
            one.refuse_as_authority(where="intermediate")
        if not living:
            raise BundleError(
                where,
                "has no X.509 authority that is still valid",
                "look at SPIRE's server; an empty trust store would lock every workload out",
            )
        if len(living) > MOST_ANCHORS:
            raise BundleError(
                where,
                f"has {len(living)} X.509 authorities, and a trust store takes {MOST_ANCHORS} anchors",
                f"{_UPSTREAM}; of self-signed ones every server has its own, and two while they rotate",
            )
        if len(between) > MOST_INTERMEDIATES:
            raise BundleError(
                "intermediates",
                f"are {len(between)}, and a trust store takes {MOST_INTERMEDIATES}",
                "leave them to the workloads, which send their chain along",
            )
        return cls(anchors=_sorted(living), intermediates=_sorted(between)), findings

    @property
    def body(self) -> dict[str, Any]:
        """Give it as the IAM API has it: `x509.trustStore`."""
        found: dict[str, Any] = {"trustAnchors": [{"pemCertificate": one.pem} for one in self.anchors]}
        if self.intermediates:
            found["intermediateCas"] = [{"pemCertificate": one.pem} for one in self.intermediates]
        return found

    @classmethod
    def parse(cls, body: object, *, where: str) -> Self:
        """Read what is at a provider or in a file.

        Raises:
            BundleError: anything that is no trust store.

        """
        if not isinstance(body, Mapping):
            raise BundleError(where, "is no trust store", _LOOK)
        return cls(
            anchors=_sorted(_certificates(body.get("trustAnchors"), where)),
            intermediates=_sorted(_certificates(body.get("intermediateCas"), where)),
        )


_LOOK = "look at what wrote it, or remove it"


def rotation_findings(store: TrustStore, *, every: timedelta | None, where: str) -> tuple[Finding, ...]:
    """Say where a root rotates faster than the trust store is renewed: `every` so often, None: by hand.

    SPIRE puts the next authority into the bundle when half of the life is left (30 days at most) and signs
    with it when a sixth is (7 days at most). In between, the trust store must have it.
    """
    findings = []
    for one in store.anchors:
        life = one.not_after - one.not_before
        lead = min(life / 2, _PREPARED) - min(life / 6, _ACTIVE)
        if lead < (every or BY_HAND):
            how = f"every {_span(every)}" if every else "by hand"
            findings.append(
                Finding(
                    code="GCP102",
                    severity=Severity.WARNING,
                    where=f"{where}: {one.name}",
                    what=f"this self-signed root lives {_span(life)}, and SPIRE signs with the next one "
                    f"{_span(lead)} after the bundle has it; a trust store renewed {how} comes too late",
                    remedy=f"{_UPSTREAM}; or run gcp setup --x509 --trust-store-only --apply from a timer, "
                    "more often than that, and tell it by --setup-every",
                )
            )
    return tuple(findings)


def _expired(one: Certificate, where: str) -> Finding:
    return Finding(
        code="GCP103",
        severity=Severity.INFO,
        where=f"{where}: {one.name}",
        what="this X.509 authority has expired and is left out of the trust store",
        remedy="nothing to do: SPIRE removes it a day later",
    )


def _sorted(certificates: Iterable[Certificate]) -> tuple[Certificate, ...]:
    return tuple(sorted(certificates, key=lambda one: (one.not_after, one.thumbprint)))


def _certificates(found: object, where: str) -> list[Certificate]:
    if found is None:
        return []
    if not isinstance(found, list):
        raise BundleError(where, "is no trust store", _LOOK)
    certificates: list[Certificate] = []
    for one in found:
        pem = one.get("pemCertificate") if isinstance(one, Mapping) else None
        if not isinstance(pem, str):
            raise BundleError(where, "has a certificate that is no PEM", _LOOK)
        certificates.extend(Certificate.parse_pem(pem.encode(), where=where))
    return certificates


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
