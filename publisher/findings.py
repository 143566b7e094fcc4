"""One broken rule: a code, a severity, a sentence, a remedy."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Rank a finding. `error`: somebody is or will be locked out, or somebody else wrote here."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """Order severities, the gravest highest."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """State one broken rule. `code` is a key of `docs/findings.md`, e.g. `ROT003`."""

    code: str
    severity: Severity
    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.code} {self.severity}: {self.where}: {self.what}; {self.remedy}"
