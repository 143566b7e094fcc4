"""The keys of the status page, newest first, each with its life on one common time line."""

from datetime import UTC, datetime
from typing import Final

from publisher.publication.spans import span
from publisher.serving.outside_text import LONG_NAME, count, html, more
from publisher.serving.plain_time import exact, exact_element, relative_element
from publisher.serving.status import KeyStatus
from publisher.serving.time_line import Scale, axis_bottom, axis_top, key_bar, scale_for

MOST_KEYS_SHOWN: Final = 24
"""The most keys that the page lists, the newest; of the others it tells the number."""

_UNKNOWN = datetime.min.replace(tzinfo=UTC)


def keys_section(keys: tuple[KeyStatus, ...], now: datetime) -> str:
    """Give the HTML of the section: a list with bars, and the same as a table of exact times."""
    newest = sorted(
        keys, key=lambda key: (key.first_published_at or _UNKNOWN, key.expires_at or _UNKNOWN), reverse=True
    )[:MOST_KEYS_SHOWN]
    scale = scale_for((time for key in newest for time in (key.first_published_at, key.expires_at)), now)
    items = "".join(_key(key, scale) for key in newest)
    return (
        f'<section class="keys"><h2>Keys{count(len(keys))}</h2><div class="axis">{axis_top(scale)}</div>'
        f'<ol>{items}</ol><div class="axis">{axis_bottom(scale)}</div>'
        f"{more(len(keys) - MOST_KEYS_SHOWN, 'older key')}{_exact_times(newest)}</section>"
    )


def _key(key: KeyStatus, scale: Scale) -> str:
    first, expiry = key.first_published_at, key.expires_at
    margin = "" if key.margin is None else f", margin {span(key.margin)}"
    published = f"published {relative_element(first, scale.now)}" if first else "published at an unknown time"
    if expiry is None:
        expires = "expires at an unknown time"
    else:
        expires = f"{'expires' if expiry > scale.now else 'expired'} {relative_element(expiry, scale.now)}"
    label = "Life of the key: " + ", ".join(
        (
            f"first published {exact(first)}" if first else "first published at an unknown time",
            f"expiry {exact(expiry)}" if expiry else "expiry unknown",
            *([f"margin of its lead time {span(key.margin)}"] if key.margin is not None else []),
        )
    )
    return (
        f"<li><p><code>{html(key.kid, LONG_NAME)}</code><br><small>{html(key.alg)}, {published}{margin},"
        f" {expires}"
        f"</small></p>{key_bar(scale, first, expiry, label)}</li>"
    )


def _exact_times(keys: list[KeyStatus]) -> str:
    rows = "".join(
        f'<tr><th scope="row"><code>{html(key.kid, LONG_NAME)}</code></th>'
        f"<td>{exact_element(key.first_published_at)}</td><td>{exact_element(key.expires_at)}</td></tr>"
        for key in keys
    )
    return (
        "<details><summary>Exact times</summary><table><thead><tr><th>Key</th><th>First published</th>"
        f"<th>Expiry</th></tr></thead><tbody>{rows}</tbody></table></details>"
    )
