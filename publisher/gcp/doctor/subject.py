"""The stages of who the workload is to Google: subject and condition, where they are of the kind we make."""

import re

from publisher.findings import Finding, Severity
from publisher.gcp.cel import CelError, refuse_unbalanced
from publisher.gcp.doctor.provider import ProviderSeen
from publisher.gcp.doctor.stage import Seen, error, fine, unknown
from publisher.gcp.mapping import Assertion
from publisher.gcp.provider_name import LONGEST_SUBJECT
from publisher.quoting import quote

_STRING = r"'([^'\\]*)'"
_WHOLE = r"(assertion\.sub|assertion\.san\.uri)"
_SUBJECT = re.compile(rf"{_WHOLE}(?:\.extract\({_STRING}\))?")
_PINNED = re.compile(rf"{_WHOLE}\.startsWith\({_STRING}\)(?: && \((.*)\))?", re.DOTALL)
_TEMPLATE = re.compile(r"([^{}]*)\{[^{}]*\}([^{}]*)")


def look_at_subject(spiffe_id: str, assertion: Assertion, provider: ProviderSeen) -> tuple[Seen, str | None]:
    """Work `google.subject` out, and count its bytes. None: it is not known here."""
    where = "google.subject"
    mapping = provider.mapping
    if mapping is None:
        size = len(spiffe_id.encode())
        long = f"; the SPIFFE ID has {size} bytes, and a subject {LONGEST_SUBJECT} at most"
        said = "the provider's mapping is not known here" + (long if size > LONGEST_SUBJECT else "")
        return unknown(where, said), None
    expression = mapping.get("google.subject")
    subject = _evaluated(str(expression), spiffe_id, assertion)
    if subject is None:
        said = f"is {quote(expression)}, which is not worked out here: only what gcp setup makes is"
        return unknown(where, said), None
    if not subject:
        return error(
            "GCP014",
            where,
            f"is empty: {quote(expression)} finds nothing in {quote(spiffe_id)}",
            "correct the mapping: spire-oidc-publisher gcp setup --compare",
        ), None
    size = len(subject.encode())
    if size > LONGEST_SUBJECT:
        return error(
            "GCP014",
            where,
            f"has {size} bytes, and Google takes {LONGEST_SUBJECT} at most",
            f"spire-oidc-publisher gcp setup --longest-spiffe-id {len(spiffe_id)}, for a shorter mapping; "
            "or give the workload a shorter SPIFFE ID",
        ), None
    return fine(where, f"{quote(subject)}, {size} bytes"), subject


def look_at_condition(spiffe_id: str, assertion: Assertion, provider: ProviderSeen) -> Seen:
    """Look whether the attribute condition lets this SPIFFE ID through."""
    where = "attribute condition"
    if provider.body is None:
        return unknown(where, "is not known here")
    condition = provider.condition
    if not condition:
        note = Finding(
            code="GCP015",
            severity=Severity.WARNING,
            where=where,
            what="there is none, so every identity of this issuer gets in",
            remedy="pin the trust domain: spire-oidc-publisher gcp setup --compare",
        )
        return fine(where, "there is none", notes=(note,))
    match = _PINNED.fullmatch(condition)
    if match is None or match[1] != assertion.value or not _is_one(match[3]):
        said = f"is {quote(condition)}, which is not worked out here: only what gcp setup makes is"
        return unknown(where, said)
    if not spiffe_id.startswith(match[2]):
        return error(
            "GCP015",
            where,
            f"demands {quote(match[2])} at the beginning, and this workload is {quote(spiffe_id)}",
            "this workload is to stay out, or the condition pins too much: spire-oidc-publisher gcp setup "
            "--trust-domain, --path-prefix",
        )
    if match[3]:
        return unknown(
            where, f"pins {quote(match[2])}, which fits; what it demands besides is not worked out here"
        )
    return fine(where, f"pins {quote(match[2])}")


def _is_one(rest: str | None) -> bool:
    """Tell whether what stands in parentheses is one expression, and not `a) || (b`."""
    try:
        if rest is not None:
            refuse_unbalanced(rest)
    except CelError:
        return False
    return True


def _evaluated(expression: str, spiffe_id: str, assertion: Assertion) -> str | None:
    """Work out the two kinds of subjects that `gcp setup` makes; None: it is of another kind."""
    match = _SUBJECT.fullmatch(expression.strip())
    if match is None or match[1] != assertion.value:
        return None
    if match[2] is None:
        return spiffe_id
    template = _TEMPLATE.fullmatch(match[2])
    return None if template is None else _extracted(spiffe_id, template[1], template[2])


def _extracted(text: str, before: str, after: str) -> str:
    """Cut as Google's `extract` does: from the first place of what is before to what comes after."""
    start = text.find(before)
    if start < 0:
        return ""
    start += len(before)
    if not after:
        return text[start:]
    end = text.find(after, start)
    return text[start:end] if end >= 0 else ""
