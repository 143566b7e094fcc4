"""Read the public URL of an issuer as a relying party does, and say everything that is wrong with it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

from publisher.errors import WebError, WebUntrustedError
from publisher.findings import Finding, Severity
from publisher.oidc import configuration_rules, jwks_rules, profiles
from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH, Issuer
from publisher.ports import Clock, Deadline, Web
from publisher.publication import answers, manifest_rules
from publisher.publication.answers import Answer, Kind

CODES: Mapping[str, str] = MappingProxyType(
    {
        **answers.CODES,
        **configuration_rules.CODES,
        **jwks_rules.CODES,
        **manifest_rules.CODES,
        **profiles.CODES,
    }
)
"""Every code that `check` reports, with its title."""

SECOND_LOOK = 3.0
"""Seconds to wait before looking again at documents that disagree with the manifest."""

_MIXED = "MAN004"


def check(
    web: Web, issuer: Issuer, *, clock: Clock, require_manifest: bool, deadline: Deadline
) -> tuple[Finding, ...]:
    """Read configuration, JWKS and manifest, and apply every rule of documents, headers and freshness.

    An unreachable URL is a finding (WEB001, WEB010), never an exception. Without `require_manifest` an absent
    manifest is `info`. Where the manifest disagrees with a document everything is read once more after
    `SECOND_LOOK` seconds: the first look may have fallen between two writes of a publisher.
    """
    findings = _Look(web=web, issuer=issuer, clock=clock, deadline=deadline).findings(require_manifest)
    if any(finding.code == _MIXED for finding in findings) and deadline.remaining() > 2 * SECOND_LOOK:
        clock.sleep(SECOND_LOOK)
        findings = _Look(web=web, issuer=issuer, clock=clock, deadline=deadline).findings(require_manifest)
    return findings


@dataclass(slots=True, kw_only=True)
class _Look:
    """Collect the findings of one look at all three URLs."""

    web: Web
    issuer: Issuer
    clock: Clock
    deadline: Deadline
    found: list[Finding] = field(default_factory=list)
    served: list[manifest_rules.Served] = field(default_factory=list)

    def findings(self, require_manifest: bool) -> tuple[Finding, ...]:
        url = self.issuer.document_url(CONFIGURATION_PATH)
        body, _ = self._document(url, Kind.CONFIGURATION)
        if body is not None:
            self._configuration(body, url)
        self._manifest(self.issuer.document_url(MANIFEST_PATH), require_manifest)
        return tuple(self.found)

    def _configuration(self, body: bytes, url: str) -> None:
        metadata = configuration_rules.read(body, where=url)
        if isinstance(metadata, Finding):
            self.found.append(metadata)
            return
        self.found.extend(configuration_rules.judge(metadata, self.issuer, where=url))
        jwks_uri = configuration_rules.usable_jwks_uri(metadata)
        if jwks_uri is not None:  # else CFG003 or CFG010 has said so
            self._jwks(jwks_uri, configuration_rules.listed_algorithms(metadata))

    def _jwks(self, url: str, listed: tuple[str, ...]) -> None:
        body, lifetime = self._document(url, Kind.JWKS)
        if body is None:
            return
        keys = jwks_rules.read(body, where=url)
        if isinstance(keys, Finding):
            self.found.append(keys)
            return
        self.found.extend(jwks_rules.judge(keys, listed=listed, where=url))
        self.found.extend(
            profiles.judge(
                profiles.Offer(
                    issuer=self.issuer, jwks_uri=url, listed=listed, keys=keys, jwks_lifetime=lifetime
                )
            )
        )

    def _manifest(self, url: str, required: bool) -> None:
        got = self._get(url, Kind.MANIFEST)
        if got is None:
            return
        answer, body = got
        if answer.is_absent:
            self.found.append(manifest_rules.absent(url, required=required))
            return
        self.found.extend(answers.judge(answer))
        if not answer.is_whole:
            return
        manifest = manifest_rules.read(body, where=url)
        if isinstance(manifest, Finding):
            self.found.append(manifest)
            return
        reading = manifest_rules.Reading(
            manifest=manifest, where=url, now=answer.read_at, lifetime=answer.lifetime
        )
        self.found.extend(manifest_rules.judge(reading, self.issuer, self.served))

    def _document(self, url: str, kind: Kind) -> tuple[bytes | None, timedelta | None]:
        got = self._get(url, kind)
        if got is None:
            return None, None
        answer, body = got
        self.found.extend(answers.judge(answer))
        if not answer.is_whole:
            return None, None
        digest = hashlib.sha256(body).hexdigest()
        self.served.append(manifest_rules.Served(url=url, sha256=digest, last_modified=answer.last_modified))
        return body, answer.lifetime

    def _get(self, url: str, kind: Kind) -> tuple[Answer, bytes] | None:
        try:
            got = self.web.get(url, self.deadline)
        except WebError as error:
            self.found.append(
                Finding(
                    code="WEB010" if isinstance(error, WebUntrustedError) else "WEB001",
                    severity=Severity.ERROR,
                    where=url,
                    what=f"the {kind} is unreachable: {error.what}",
                    remedy=error.remedy or "see that everybody can read this URL over https",
                )
            )
            return None
        answer = Answer(url=url, kind=kind, status=got.status, headers=got.headers, read_at=self.clock.now())
        return answer, got.body
