"""Every fault of the proxy before the bucket, by the name that it has in docs/faults.md."""

from collections.abc import Mapping
from dataclasses import replace

from tests.emulator.faults import Fault, Kind, answer, html

SECRET = "ya29.a0AfH6SMBx-secret"
"""What an answer may repeat of a request, and no message of ours."""

_NO_OBJECT = "No such object: bucket/object"
_NO_BUCKET = "The specified bucket does not exist."
_FORBIDDEN = (
    "publisher@example.com does not have storage.objects.get access to the Google Cloud Storage object."
)
_DRIP = 0.2
_SILENT = 60.0


def _told(status: int) -> Fault:
    return answer(status, f"told to, Authorization: Bearer {SECRET}")


FAULTS: Mapping[str, Fault] = {
    "400": _told(400),
    "401": _told(401),
    "403, permission": answer(403, _FORBIDDEN, reason="forbidden"),
    "403, quota": answer(403, reason="userRateLimitExceeded"),
    "404, object": answer(404, _NO_OBJECT),
    "404, bucket": answer(404, _NO_BUCKET),
    "408": _told(408),
    "412, nothing changed": answer(412, "At least one of the pre-conditions you specified did not hold."),
    "429": _told(429),
    "429, `Retry-After: 1`": answer(429, headers={"Retry-After": "1"}),
    "429, `Retry-After: 3600`": answer(429, headers={"Retry-After": "3600"}),
    "500": _told(500),
    "502": _told(502),
    "503": _told(503),
    "504": _told(504),
    "reset before the request is read": Fault(kind=Kind.RESET_EARLY),
    "reset after the request": Fault(kind=Kind.RESET),
    "reset amid the reply": Fault(kind=Kind.CUT),
    "reply lost": Fault(kind=Kind.LOSE_REPLY),
    "silence": Fault(kind=Kind.STALL, seconds=_SILENT),
    "body drips": Fault(kind=Kind.DRIP, seconds=_DRIP),
    "headers drip": Fault(kind=Kind.DRIP_HEAD, seconds=_DRIP),
    "body ends early": Fault(kind=Kind.TRUNCATE),
    "one bit wrong": Fault(kind=Kind.CORRUPT),
    "200 with HTML": html(),
}

SLOW = frozenset({"silence", "body drips", "headers drip"})
"""Faults of which a single one costs as long as one attempt may take."""

DENYING = frozenset({"403, permission", "404, object"})
"""What Google answers for an object that is absent."""


def lasting(fault: Fault) -> Fault:
    """Let a fault happen for ever."""
    return replace(fault, times=1_000_000)
