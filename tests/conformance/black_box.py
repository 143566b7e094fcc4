"""What any base URL must show, whoever serves it: a directory, a bucket, the function, a live issuer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from publisher.findings import Finding, Severity
from publisher.https import Https
from publisher.oidc.issuer import Issuer
from publisher.ports import Deadline
from publisher.use_cases.check import check
from publisher.wiring import SystemClock
from tests.conformance.relying_parties import SECONDS, RelyingParty


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Hold what `check` found and what each library read: thumbprints by kid."""

    findings: tuple[Finding, ...]
    keys: Mapping[str, Mapping[str, str]]

    @property
    def broken(self) -> tuple[Finding, ...]:
        """Give the findings that `check` exits 1 for by default."""
        return tuple(f for f in self.findings if f.severity is not Severity.INFO)


def checked(
    issuer: str, *, ca_file: Path | None, require_manifest: bool = False, seconds: float = SECONDS
) -> tuple[Finding, ...]:
    """Run our own `check` on a URL, over the real adapters."""
    clock = SystemClock()
    return check(
        Https(ca_file),
        Issuer.parse(issuer),
        clock=clock,
        require_manifest=require_manifest,
        deadline=Deadline(clock, seconds),
    )


def judged(issuer: str, *, ca_file: Path | None, require_manifest: bool = False) -> Verdict:
    """Judge a URL by our own rules and by libraries that have never heard of us."""
    findings = checked(issuer, ca_file=ca_file, require_manifest=require_manifest)
    return Verdict(findings=findings, keys=RelyingParty(issuer, ca_file).load())


def assert_conforms(
    issuer: str,
    *,
    ca_file: Path | None,
    kids: Sequence[str] | None = None,
    tokens: Sequence[tuple[str, str]] = (),
    require_manifest: bool = True,
) -> Verdict:
    """Assert that nothing is wrong at a URL.

    `kids`: exactly these keys are read by every library. `tokens`: each pair of token and audience
    verifies with every library, by discovery from the issuer alone.
    """
    verdict = judged(issuer, ca_file=ca_file, require_manifest=require_manifest)
    assert not verdict.broken, "\n".join(map(str, verdict.broken))
    assert len({tuple(sorted(keys.items())) for keys in verdict.keys.values()}) == 1, verdict.keys
    for library, keys in verdict.keys.items():
        assert keys, f"{library} read no key"
        assert kids is None or sorted(keys) == sorted(kids), f"{library} read {sorted(keys)}"
    party = RelyingParty(issuer, ca_file)
    for token, audience in tokens:
        for library, verify in party.libraries.items():
            assert verify(token, audience)["iss"] == issuer, library
    return verdict
