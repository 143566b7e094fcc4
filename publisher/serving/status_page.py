"""The status of the watch as one page for people: no script, nothing fetched, safe with hostile names."""

import re
from datetime import datetime
from typing import Final

from publisher.findings import Finding
from publisher.serving.outside_text import count, html, more
from publisher.serving.plain_time import duration, exact_element, relative, relative_element
from publisher.serving.shapes import shape, tab_icon
from publisher.serving.status import Counters, Serving, State, Status
from publisher.serving.status_keys import MOST_KEYS_SHOWN, keys_section
from publisher.serving.status_style import CONTENT_SECURITY_POLICY, STYLE
from publisher.serving.time_line import watch_bar

__all__ = ["CONTENT_SECURITY_POLICY", "CONTENT_TYPE", "MOST_FINDINGS", "MOST_KEYS_SHOWN", "render_page"]

CONTENT_TYPE: Final = "text/html; charset=utf-8"
MOST_FINDINGS: Final = 24
"""The most findings that the page lists, the gravest; of the others it tells the number."""

_LONG_TEXT = 600
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
_SENTENCES = {
    State.FRESH: "Confirmed lately. Nothing to do.",
    State.DUE: "Not confirmed in good time. Somebody should see why.",
    State.STALE: "Not confirmed for too long. Somebody must see why, now.",
    State.INVALID: "What is in the store is refused. Below is the last good publication.",
    State.EMPTY: "No good publication was read yet.",
}
_REFUSED_FROM_THE_START = "What is in the store is refused, and no good publication was read before."
_COUNTED = {"reads": "begun"}


def render_page(status: Status) -> bytes:
    """Render the whole page, UTF-8. Pure: the same status, the same bytes.

    Serve it with `CONTENT_TYPE` and `CONTENT_SECURITY_POLICY`. It does not reload itself: a page that
    changes under a reader's eyes cannot be read (WCAG 2.2, failure F41); it says of which moment it is.
    """
    issuer, word, serving = html(status.issuer, _LONG_TEXT), status.state.value.capitalize(), status.serving
    main = "".join(
        (
            _glance(status, word),
            _findings(status.findings) if status.findings else "",
            keys_section(serving.keys, status.at) if serving else "",
            _facts(status),
        )
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="robots" content="noindex">'
        f'<link rel="icon" href="{tab_icon(status.state)}">'
        f"<title>{word}: {issuer}</title><style>{STYLE}</style></head><body>"
        f"<header><small>OpenID Connect issuer</small><p>{issuer}</p></header><main>{main}</main>"
        f"<footer>As of {exact_element(status.at)}. Reload for a newer look.<br>SPIRE OIDC publisher "
        f"{html(status.version)}, running for {duration(status.age(status.started_at) or 0)}.</footer>"
        "</body></html>\n"
    ).encode()


def _glance(status: Status, word: str) -> str:
    serving = status.serving
    served = (
        '<p class="served"><b>Served.</b> Relying parties get the documents.</p>'
        if status.is_served
        else '<p class="served withheld"><b>Not served.</b> Relying parties get no documents now: '
        "they are answered 503.</p>"
    )
    return (
        f'<section class="{status.state.value}"><div class="glance">{shape(status.state, 64)}'
        f"<div><h1>{word}</h1><p>{_sentence(status)}</p></div></div>"
        f"{_watch(serving, status.at) if serving else ''}{served}</section>"
    )


def _sentence(status: Status) -> str:
    if status.state is State.INVALID and status.serving is None:
        return _REFUSED_FROM_THE_START
    return _SENTENCES[status.state]


def _watch(serving: Serving, now: datetime) -> str:
    bounds = (serving.confirmed_at, serving.due_at, serving.stale_at, serving.refused_at)
    words = [
        (name, relative(bound, now))
        for name, bound in zip(("Confirmed", "Due", "Stale", "Refused"), bounds, strict=True)
    ]
    label = "Freshness: " + ", ".join(f"{name.lower()} {when}" for name, when in words)
    terms = "".join(
        f"<div><dt>{name}</dt><dd>{relative_element(bound, now)}</dd></div>"
        for (name, _), bound in zip(words, bounds, strict=True)
    )
    return f'<div class="watch">{watch_bar(bounds, now, label)}<dl>{terms}</dl></div>'


def _findings(findings: tuple[Finding, ...]) -> str:
    items = "".join(
        f'<li class="{finding.severity.value}">{shape(finding.severity, 22)}<div>'
        f"<h3><b>{finding.severity.value.capitalize()}</b> <code>{html(finding.code)}</code></h3>"
        f"<p>{_prose(finding.where)}: {_prose(finding.what)}</p>"
        f'<p class="remedy"><b>What to do:</b> {_prose(finding.remedy)}</p></div></li>'
        for finding in findings[:MOST_FINDINGS]
    )
    others = more(len(findings) - MOST_FINDINGS, "more finding")
    return (
        f'<section class="findings"><h2>Findings{count(len(findings))}</h2><ul>{items}</ul>{others}</section>'
    )


def _prose(text: str) -> str:
    """Set long options as code, so that a line break never parts their hyphens."""
    return _OPTION.sub(r'<code class="option">\g<0></code>', html(text, _LONG_TEXT))


def _facts(status: Status) -> str:
    now, serving = status.at, status.serving
    places = [("Read from", status.place), *([("Published from", serving.source)] if serving else [])]
    facts: list[tuple[str, str]] = []
    if serving:
        number = "not told" if serving.sequence_number is None else str(serving.sequence_number)
        facts += [
            ("Trust domain", html(serving.trust_domain)),
            ("Sequence number", number),
            ("Published by", f"version {html(serving.publisher_version)}"),
            ("Documents changed", _both(serving.modified_at, now)),
            ("Confirmed", _both(serving.confirmed_at, now)),
            ("Due", _both(serving.due_at, now)),
            ("Stale", _both(serving.stale_at, now)),
            ("Refused", _both(serving.refused_at, now)),
        ]
    facts += [
        ("Last good read", _both(status.last_good_read_at, now)),
        ("Last try", _both(status.last_try_at, now)),
        ("Next try", _both(status.next_try_at, now, never="with the next request")),
    ]
    terms = "".join(
        f'<div class="whole"><dt>{name}</dt><dd>{html(place, _LONG_TEXT)}</dd></div>'
        for name, place in places
    ) + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return (
        f'<section><h2>Details</h2><dl class="facts">{terms}</dl><h3 class="since">Reads <small>since '
        f"{exact_element(status.started_at)}</small></h3>{_counts(status.counters)}</section>"
    )


def _counts(counters: Counters) -> str:
    terms = "".join(
        f"<div><dt>{_COUNTED.get(name, name)}</dt><dd>{getattr(counters, name):,}</dd></div>"
        for name in Counters.__slots__
    )
    return f'<dl class="counts">{terms}</dl>'


def _both(moment: datetime | None, now: datetime, never: str = "never") -> str:
    return never if moment is None else f"{relative(moment, now)}<small>{exact_element(moment)}</small>"
