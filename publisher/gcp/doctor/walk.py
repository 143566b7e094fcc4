"""Walk the chain: each stage once, in the order in which a token passes them, to the first that is broken."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from publisher.gcp.credential_config import Way
from publisher.gcp.doctor import agent, causes, clock, exchange, provider, published, subject, token
from publisher.gcp.doctor.agent import NO_BUNDLES
from publisher.gcp.doctor.client import Ask, client
from publisher.gcp.doctor.program import look_at_program
from publisher.gcp.doctor.provider import ProviderSeen, ReadResource
from publisher.gcp.doctor.published import Published
from publisher.gcp.doctor.stage import Result, Seen, Stage, error, unknown
from publisher.gcp.doctor.target import SvidFile, Target, X509Files
from publisher.gcp.doctor.token import JwtSeen
from publisher.gcp.mapping import Assertion
from publisher.gcp.workload_svids import agent_at
from publisher.ports import Clock, Deadline, Web

JWT_STAGES: Final = (
    "program",
    "agent",
    "registration",
    "iss",
    "claims",
    "algorithm",
    "provider",
    "issuer",
    "documents",
    "key",
    "audience",
    "google",
    "clock",
    "subject",
    "condition",
    "exchange",
    "impersonation",
    "call",
)
"""Every stage of the JWT ways; `program` is of configurations that name one, and `svid-file` stands for the
first three where a file holds the JWT-SVID."""

X509_STAGES: Final = (
    "agent",
    "registration",
    "certificate",
    "provider",
    "trust-store",
    "google",
    "clock",
    "subject",
    "condition",
    "exchange",
    "impersonation",
    "call",
)
"""Every stage of the X.509 way; `svid-file` as above."""

_SILENCE = frozenset({"GCP001", "GCP003", "GCP008", "GCP016"})
"""What stages say of those who do not answer; whatever else is broken was answered, and counts."""

_ENOUGH = 3.0
"""Seconds in which everybody answers: with less, silence says nothing of who is silent."""


@dataclass(slots=True, kw_only=True)
class World:
    """Hold what a walk needs of the world."""

    clock: Clock
    deadline: Deadline
    web: Web
    read: ReadResource | None
    resolve: causes.Resolve = causes.resolve


@dataclass(slots=True)
class _Found:
    """Keep what the stages found for those after them."""

    provider: ProviderSeen = field(default_factory=ProviderSeen)
    google_time: datetime | None = None
    subject: str | None = None


def names_of(target: Target) -> tuple[str, ...]:
    """Give the names of the stages of this walk, in order."""
    names: tuple[str, ...] = X509_STAGES if target.way is Way.X509 else JWT_STAGES
    if target.files is not None:
        names = ("svid-file", *(one for one in names if one not in {"program", "agent", "registration"}))
    left_out = {
        "program" if target.program is None else "",
        "impersonation" if not target.service_account else "",
    }
    return tuple(one for one in names if one not in left_out)


def walk(target: Target, world: World) -> Iterator[Stage]:
    """Give each stage as it is looked at; the first broken one is the last."""
    stages = _x509(target, world) if target.way is Way.X509 else _jwt(target, world)
    left = world.deadline.remaining()
    for name, seen in stages:
        stage = Stage(
            name=name, seen=_used_up(seen) if _lacked_time(name, seen, left, world.deadline) else seen
        )
        yield stage
        if stage.is_broken:
            return
        left = world.deadline.remaining()


def _lacked_time(name: str, seen: Seen, left: float, deadline: Deadline) -> bool:
    """Tell whether a stage failed only because those before it left it too little time."""
    if seen.finding is not None:
        is_silence = seen.finding.code in _SILENCE
    else:
        is_silence = name == "documents" and seen.result is Result.UNKNOWN
    return is_silence and deadline.passed and left < min(_ENOUGH, max(deadline.seconds / 4, 0.01))


def _used_up(seen: Seen) -> Seen:
    remedy = "run again with a longer --timeout; --no-read-provider saves some of it"
    return error("GCP025", seen.looked_at, "the time of --timeout was used up", remedy, passing=True)


_Stages = Iterator[tuple[str, Seen]]


def _jwt(target: Target, world: World) -> _Stages:
    found = _Found()
    bundles, svid = NO_BUNDLES, None
    if isinstance(target.files, SvidFile):
        seen, svid = agent.look_at_file(target.files)
        yield "svid-file", seen
    else:
        if target.program is not None:
            yield "program", look_at_program(target.program, world.clock.now().timestamp())
        peer = agent_at(target.workload_api)
        seen, bundles = agent.look_at_agent(peer, world.deadline)
        yield "agent", seen
        seen, svid = agent.look_at_registration(peer, target.audience, target.choice, world.deadline)
        yield "registration", seen
    assert svid is not None  # else that stage was broken, and the walk has ended
    yield "iss", token.look_at_issuer(svid)
    yield "claims", token.look_at_claims(svid)
    yield "algorithm", token.look_at_algorithm(svid)
    seen, found.provider = provider.look_at_provider(target, world.read)
    yield "provider", seen
    yield "issuer", provider.look_at_provider_issuer(svid, found.provider, target)
    seen, shown = _keys(svid, found.provider, world)
    yield "documents", seen
    yield "key", published.look_at_key(svid, shown, bundles.keys_of(svid.subject), world.clock.now())
    yield "audience", provider.look_at_audience(svid, found.provider, target)
    with client(world.deadline) as ask:
        seen, found.google_time = clock.look_at_google(ask, target.endpoints.sts)
        yield "google", seen
        times, now = (svid.number("iat"), svid.number("exp")), world.clock.now()
        yield "clock", clock.look_at_clock(*times, now, found.google_time, oldest=token.LONGEST_LIFE)
        seen, found.subject = subject.look_at_subject(svid.subject, Assertion.JWT, found.provider)
        yield "subject", seen
        yield "condition", subject.look_at_condition(svid.subject, Assertion.JWT, found.provider)
        seen, exchanged = exchange.look_at_exchange(ask, target, svid.token, exchange.JWT)
        if exchanged.connecting:
            now = world.clock.now()
            seen = causes.explain(svid, shown, seen.looked_at, now=now, resolve=world.resolve)
        yield "exchange", seen
        yield from _afterwards(ask, target, exchanged.token, found)


def _keys(svid: JwtSeen, seen: ProviderSeen, world: World) -> tuple[Seen, Published]:
    if seen.uploaded is not None:
        return published.look_at_upload(seen.uploaded)
    issuer = str(svid.claims["iss"])
    looked = published.look_at_documents(
        world.web, issuer, seen.discovery_uri, clock=world.clock, deadline=world.deadline
    )
    if seen.body is not None or not looked[0].finding:
        return looked
    # Nobody knows whether this provider's keys are uploaded: then no document need be there.
    said = f"{looked[0].said}; that is well only if the provider's keys are uploaded, which is not known here"
    return unknown(looked[0].looked_at, said, looked[0].remedy), Published(
        issuer_url=issuer, reason=looked[0].said
    )


def _x509(target: Target, world: World) -> _Stages:
    from publisher.gcp.doctor import x509  # noqa: PLC0415 (the JWT ways need no certificates)

    found = _Found()
    if isinstance(target.files, X509Files):
        seen, svid = x509.look_at_x509_files(target.files)
        yield "svid-file", seen
    else:
        peer = agent_at(target.workload_api)
        seen, _ = agent.look_at_agent(peer, world.deadline)
        yield "agent", seen
        seen, svid = x509.look_at_x509_registration(peer, target.choice, world.deadline)
        yield "registration", seen
    assert svid is not None  # else that stage was broken, and the walk has ended
    yield "certificate", x509.look_at_leaf(svid)
    seen, found.provider = provider.look_at_provider(target, world.read)
    yield "provider", seen
    yield "trust-store", x509.look_at_chain(svid, found.provider, world.clock.now())
    with client(world.deadline) as ask:
        seen, found.google_time = clock.look_at_google(ask, target.endpoints.sts)
        yield "google", seen
        begins, ends = (moment.timestamp() for moment in (svid.chain[0].not_before, svid.chain[0].not_after))
        yield "clock", clock.look_at_clock(begins, ends, world.clock.now(), found.google_time)
        seen, found.subject = subject.look_at_subject(svid.spiffe_id, Assertion.X509, found.provider)
        yield "subject", seen
        yield "condition", subject.look_at_condition(svid.spiffe_id, Assertion.X509, found.provider)
    with client(world.deadline, svid.pair) as ask:
        seen, exchanged = exchange.look_at_exchange(ask, target, svid.subject_token, exchange.MTLS)
        yield "exchange", seen
    with client(world.deadline) as ask:
        yield from _afterwards(ask, target, exchanged.token, found)


def _afterwards(ask: Ask, target: Target, federated: str, found: _Found) -> _Stages:
    bearer = federated
    if target.service_account:
        seen, bearer = exchange.look_at_impersonation(ask, target, federated, found.subject)
        yield "impersonation", seen
    if target.call is None:
        yield "call", exchange.no_call()
        return
    yield "call", exchange.look_at_call(ask, target, bearer, found.subject)
