"""One stage of the chain: what was looked at, how it is, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from publisher.findings import Finding, Severity

CODES: Mapping[str, str] = MappingProxyType(
    {
        "GCP001": "The agent cannot be reached",
        "GCP002": "The agent gives this process no identity that can be used",
        "GCP003": "The agent gives no SVID",
        "GCP004": "The file of the SVID cannot be used",
        "GCP005": "The JWT-SVID has no iss",
        "GCP006": "The provider is not there, or not in use",
        "GCP007": "The JWT-SVID is of another issuer than the provider's",
        "GCP008": "Google cannot use the issuer's documents",
        "GCP009": "The key of the JWT-SVID is not published",
        "GCP010": "The published key is not the one that signed",
        "GCP011": "The algorithm is none that Google takes",
        "GCP012": "The audience is none that the provider takes",
        "GCP013": "The times of the SVID do not fit the clocks",
        "GCP014": "The SPIFFE ID makes no subject",
        "GCP015": "The attribute condition refuses the SPIFFE ID",
        "GCP016": "Google does not answer from here",
        "GCP017": "Google cannot get the issuer's keys",
        "GCP018": "The token service refuses the exchange",
        "GCP019": "The service account may not be impersonated",
        "GCP020": "The API call is refused",
        "GCP021": "The X.509-SVID leads to no trust anchor of the provider",
        "GCP022": "The X.509-SVID is none that Google takes",
        "GCP023": "The JWT-SVID lacks what Google demands",
        "GCP024": "The program that gives the SVID cannot be used",
        "GCP025": "The time of --timeout was used up",
    }
)
"""Every code of `gcp doctor` with its title; `docs/findings.md` explains each."""


class Result(StrEnum):
    """Say how a stage is. `unknown`: it could not be seen from here, and the walk goes on."""

    OK = "ok"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Hold what a stage found. `finding` is there where it is broken, and says where, what and the remedy.

    `notes` are things that others trip over, or that may explain what comes later; `passing` tells that a
    broken stage may mend by itself.
    """

    result: Result
    looked_at: str
    said: str = ""
    remedy: str = ""
    finding: Finding | None = None
    notes: tuple[Finding, ...] = ()
    passing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Hold one stage of a walk, by its name."""

    name: str
    seen: Seen

    @property
    def is_broken(self) -> bool:
        """Tell whether the walk ends here."""
        return self.seen.result is Result.BROKEN


def fine(looked_at: str, said: str, *, notes: tuple[Finding, ...] = ()) -> Seen:
    """Make what a sound stage has."""
    return Seen(result=Result.OK, looked_at=looked_at, said=said, notes=notes)


def unknown(looked_at: str, said: str, remedy: str = "", *, notes: tuple[Finding, ...] = ()) -> Seen:
    """Make what a stage has that cannot be judged from here."""
    return Seen(result=Result.UNKNOWN, looked_at=looked_at, said=said, remedy=remedy, notes=notes)


def error(  # the name tells its severity
    code: str, where: str, what: str, remedy: str, *, notes: tuple[Finding, ...] = (), passing: bool = False
) -> Seen:
    """Make what a broken stage has."""
    finding = Finding(code=code, severity=Severity.ERROR, where=where, what=what, remedy=remedy)
    return Seen(
        result=Result.BROKEN,
        looked_at=where,
        said=what,
        remedy=remedy,
        finding=finding,
        notes=notes,
        passing=passing,
    )
