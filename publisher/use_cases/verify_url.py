"""Read the public URLs as a relying party does, right after publishing."""

from datetime import datetime
from enum import StrEnum

from publisher.errors import WebError
from publisher.findings import Finding, Severity
from publisher.oidc.issuer import Issuer
from publisher.ports import Deadline, Web
from publisher.publication.document_set import CONTENT_TYPE, Document, DocumentSet, sha256
from publisher.publication.manifest import Manifest


class Verified(StrEnum):
    """Say what relying parties read at the public URLs."""

    VERIFIED = "verified"
    PROPAGATING = "propagating"
    FAILED = "failed"
    OFF = "off"


def verify_url(
    web: Web | None,
    issuer: Issuer,
    documents: DocumentSet,
    manifest: Manifest,
    *,
    now: datetime,
    deadline: Deadline,
) -> tuple[Verified, tuple[Finding, ...]]:
    """Compare both public documents with the wanted ones.

    A body that was replaced lately is `propagating` until its own max-age has passed: a cache may serve it.
    Anything else that differs is a finding. The publication stands either way.
    """
    if web is None:
        return Verified.OFF, ()
    states, findings = [], []
    for document in (documents.jwks, documents.configuration):
        url = issuer.document_url(document.path)
        state, what = _read(web, url, document, manifest, now=now, deadline=deadline)
        states.append(state)
        if state is not Verified.VERIFIED:
            findings.append(_finding(state, url, what))
    worst = max(states, key=(Verified.VERIFIED, Verified.PROPAGATING, Verified.FAILED).index)
    return worst, tuple(findings)


def _read(
    web: Web, url: str, document: Document, manifest: Manifest, *, now: datetime, deadline: Deadline
) -> tuple[Verified, str]:
    try:
        answer = web.get(url, deadline)
    except WebError as error:
        return Verified.FAILED, f"cannot be read as a relying party reads it: {error.what}"
    if answer.status != 200:  # noqa: PLR2004 (HTTP)
        return Verified.FAILED, f"answers with status {answer.status}"
    digest = sha256(answer.body)
    excused = [
        old.readable_until
        for old in manifest.replaced
        if (old.path, old.sha256) == (document.path, digest) and old.is_readable(now)
    ]
    content_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.body == document.body and content_type == CONTENT_TYPE:
        return Verified.VERIFIED, ""
    if excused:
        return Verified.PROPAGATING, f"a cache may serve the replaced document until {max(excused)}"
    if answer.body == document.body:
        return Verified.FAILED, f"is not served as {CONTENT_TYPE}"
    return Verified.FAILED, "has another body than the published document"


def _finding(state: Verified, url: str, what: str) -> Finding:
    if state is Verified.PROPAGATING:
        return Finding(
            code="PUB002", severity=Severity.INFO, where=url, what=what, remedy="nothing to do but wait"
        )
    return Finding(
        code="PUB001",
        severity=Severity.ERROR,
        where=url,
        what=what,
        remedy="the sink has the right documents: make this URL serve them (public access, CDN, web server), "
        "or pass --no-verify-url where this host cannot reach it",
    )
