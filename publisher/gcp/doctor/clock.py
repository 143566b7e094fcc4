"""The stages of reaching Google and of the clocks: this machine's, SPIRE's and Google's."""

from datetime import UTC, datetime
from typing import Final

from publisher.findings import Finding, Severity
from publisher.gcp.doctor.client import Ask, NoAnswerError
from publisher.gcp.doctor.stage import Seen, error, fine

SKEW: Final = 60.0
"""Seconds by which clocks may differ. How many Google allows is not documented."""

_NOTABLE = 30.0
_NETWORK = (
    "let this machine reach Google: look at the proxy (HTTPS_PROXY), the firewall and REQUESTS_CA_BUNDLE"
)


def look_at_google(ask: Ask, origin: str) -> tuple[Seen, datetime | None]:
    """Ask the token service for nothing: any answer will do, and says what time it is there."""
    where = f"{origin}"
    try:
        answer = ask("GET", f"{origin}/")
    except NoAnswerError as failure:
        return error("GCP016", where, f"does not answer ({failure})", _NETWORK, passing=True), None
    return fine(where, f"answers, status {answer.status}"), answer.date


def look_at_clock(
    issued: float | None,
    ends: float | None,
    now: datetime,
    google: datetime | None,
    *,
    oldest: float = float("inf"),
) -> Seen:
    """Hold the SVID's times, in Unix seconds, to both clocks; it was issued `oldest` seconds ago at most."""
    where = "iat and exp, this machine's clock and Google's"
    clocks = [("this machine's clock", now)] + ([("Google's clock", google)] if google else [])
    apart = abs((now - google).total_seconds()) if google else 0.0
    behind = f"; this machine's clock is {int(apart)} s off Google's" if apart > _NOTABLE else ""
    for name, moment in clocks:
        seconds = moment.timestamp()
        if issued is not None and issued > seconds + SKEW:
            what = f"the SVID was issued {int(issued - seconds)} s ahead of {name}{behind}"
            return error(
                "GCP013", where, what, "set the clocks (NTP) of the SPIRE server and of this machine"
            )
        if ends is not None and ends <= seconds:
            what = f"the SVID ran out {int(seconds - ends)} s before {name}{behind}"
            remedy = "set the clocks (NTP), and see that what keeps the SVID fresh is alive"
            return error("GCP013", where, what, remedy)
        if issued is not None and issued < seconds - oldest:
            what = f"the SVID was issued more than a day before {name}{behind}"
            return error("GCP013", where, what, "let SPIRE issue a new one")
    notes: tuple[Finding, ...] = ()
    if behind:
        note = Finding(
            code="GCP013",
            severity=Severity.WARNING,
            where="this machine's clock",
            what=f"is {int(apart)} s off Google's",
            remedy="set it (NTP)",
        )
        notes = (note,)
    against = (
        f"Google's clock ({google.astimezone(UTC):%H:%M:%SZ})" if google else "this machine's clock alone"
    )
    return fine(where, f"fit {against}", notes=notes)
