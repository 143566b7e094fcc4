"""Fetch the bundle from the SPIFFE Workload API, with a sign of life of the server behind it."""

import os

from grpc import StatusCode

from publisher.bundle.fetched import Fetched, SourceKind, Witness
from publisher.bundle.formats import choose_trust_domain, parse_jwks
from publisher.bundle.trust_bundle import TrustBundle
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import BundleError, SourceError, SourceUnavailableError
from publisher.findings import Finding, Severity
from publisher.ports import Deadline
from publisher.sources.endpoint import Endpoint
from publisher.sources.grpc_call import Connection, Peer, StatusError, connected, parse, refusal
from publisher.sources.own_svid import fetch_own_svid
from publisher.sources.protocol import workload_pb2
from publisher.sources.retry import retry
from publisher.sources.witness import AUDIENCE, Testimony, audience_of_the_time, fresh_audience

FETCH_BUNDLES = "/SpiffeWorkloadAPI/FetchJWTBundles"
"""Streams the JWK Sets of all trust domains that the agent knows, each message complete."""

_SETTING = "--source workload-api: (or SPIFFE_ENDPOINT_SOCKET)"


class WorkloadApiSource:
    """Implement `ports.Source` over the SPIFFE Workload API.

    `endpoint` is `unix:///absolute/path` or `tcp://IP:port`.

    An agent whose server is dead goes on answering old bundles. So where this process has an identity, a
    JWT-SVID of its own is fetched as well, and a JWT authority of the bundle must have signed it: proof that
    the server lived at most 5 minutes ago. An agent keeps what it fetched for as long as it is valid, so an
    older one makes us ask for another audience.

    Raises:
        SourceSettingsError: another kind of endpoint.

    """

    def __init__(self, endpoint: str, trust_domain: TrustDomain | None) -> None:
        self._peer = agent_at(endpoint)
        self._wanted = trust_domain

    def fetch(self, deadline: Deadline) -> Fetched:
        """Fetch once, retrying within the deadline what may pass: not registered yet, a server that is away.

        Raises:
            SourceError: no agent, none that answers, none that knows this process, or none whose server
                answers.
            BundleError: no such trust domain, or several; no JWT authorities yet, or unsafe ones.

        """
        return retry(self._attempt, deadline)

    def _attempt(self, deadline: Deadline) -> Fetched:
        where = self._peer.where
        with connected(self._peer, deadline) as connection:
            offered = self._offered(connection)
            chosen = choose_trust_domain(offered, self._wanted, where=where)
            bundle = _bundle(offered, chosen, where)
            testimony = self._testimony(connection, AUDIENCE, deadline)
            if testimony is None:
                return _fetched(bundle, findings=(_no_identity(where),))
            signer = testimony.trust_domain
            if signer not in offered:
                raise SourceUnavailableError(
                    where,
                    f"gives a JWT-SVID of {signer} and not its bundle",
                    "look at the log of spire-agent",
                )
            # A federated bundle reaches the agent through its own server: that one must live all the same.
            signers = bundle if signer == chosen else _bundle(offered, signer, where)
            testimony = self._recent(connection, testimony, deadline)
            if not testimony.names_key_of(signers):
                # Of a key that was tainted and revoked between two syncs, an agent keeps its JWT-SVIDs to
                # half of their life. Then another audience is needed: revoking is urgent.
                testimony = self._testimony(connection, fresh_audience(), deadline) or testimony
        witness = testimony.confirm(signers, deadline.clock.now())
        if signer != chosen:
            return _fetched(bundle, findings=(_federated(chosen, signer, where),))
        return _fetched(bundle, witness=witness)

    def _offered(self, connection: Connection) -> dict[TrustDomain, bytes]:
        """Give the JWK Set of every trust domain that the agent knows."""
        where = self._peer.where
        try:
            data = connection.first_of_stream(FETCH_BUNDLES, workload_pb2.JWTBundlesRequest())
        except StatusError as status:
            raise denial(self._peer, status) from status
        response = parse(data, workload_pb2.JWTBundlesResponse(), where=where)
        offered = {TrustDomain.parse(name): jwks for name, jwks in response.bundles.items()}
        if len(offered) != len(response.bundles):
            raise BundleError(where, "offers two bundles of one trust domain", "this is not SPIRE's agent")
        return offered

    def _recent(self, connection: Connection, testimony: Testimony, deadline: Deadline) -> Testimony:
        """Give a testimony of the last 5 minutes: this one, or one that the agent cannot have kept longer.

        Of the other one the `iat` is not asked: the server's clock may be wrong.
        """
        now = deadline.clock.now()
        if testimony.is_recent(now):
            return testimony
        other = self._testimony(connection, audience_of_the_time(now), deadline)
        if other is None:
            raise SourceUnavailableError(
                self._peer.where,
                "the agent gives no JWT-SVID of the last 5 minutes, so its server may be dead",
                "look at the log of spire-agent, and whether this process is still registered",
            )
        if other.has_expired(now):
            raise SourceUnavailableError(
                self._peer.where,
                "the agent gives a JWT-SVID that has expired: its server does not answer, or a clock errs",
                "compare this machine's clock with the server's; look at the log of spire-agent",
            )
        return other

    def _testimony(self, connection: Connection, audience: str, deadline: Deadline) -> Testimony | None:
        """Fetch a JWT-SVID of this process; None: it has no identity, and may only read bundles."""
        where = self._peer.where
        try:
            token = fetch_own_svid(
                connection, self._peer.endpoint, audience, where=where, seconds=deadline.remaining()
            )
        except StatusError as status:
            match status.code:
                case StatusCode.PERMISSION_DENIED:
                    return None
                case StatusCode.INVALID_ARGUMENT | StatusCode.UNIMPLEMENTED:
                    raise refusal(self._peer, status) from status
                case code:
                    raise SourceUnavailableError(
                        where,
                        f"the agent answers, its server does not ({code.name} {status.details}), "
                        "so the bundle may be an old one",
                        "start spire-server, or mend the agent's connection to it: see the agent's log",
                    ) from status
        return Testimony(token, audience=audience, where=where)


def agent_at(endpoint: str) -> Peer:
    """Name the agent at that endpoint.

    Raises:
        SourceSettingsError: another kind of endpoint.

    """
    parsed = Endpoint.parse(endpoint, setting=_SETTING)
    return Peer(endpoint=parsed, api="Workload API", program="spire-agent", setting=_SETTING)


def denial(peer: Peer, status: StatusError) -> SourceError | BundleError:
    """Translate a status that a call of `FETCH_BUNDLES` ended with."""
    if status.code is StatusCode.PERMISSION_DENIED:
        return SourceUnavailableError(
            peer.where,
            f"the agent knows no entry for this process ({status.details})",
            f"register it: spire-server entry create -selector unix:uid:{os.geteuid()} "
            "-spiffeID spiffe://TRUST_DOMAIN/oidc-publisher -parentID AGENT_ID",
        )
    return refusal(peer, status)


def _bundle(offered: dict[TrustDomain, bytes], trust_domain: TrustDomain, where: str) -> TrustBundle:
    bundle, _ = parse_jwks(
        offered[trust_domain], trust_domain=trust_domain, where=f"{where}: bundle of {trust_domain}"
    )
    return bundle


def _fetched(
    bundle: TrustBundle, *, findings: tuple[Finding, ...] = (), witness: Witness | None = None
) -> Fetched:
    return Fetched(bundle=bundle, source=SourceKind.WORKLOAD_API, findings=findings, witness=witness)


def _no_identity(where: str) -> Finding:
    return Finding(
        code="SRC001",
        severity=Severity.INFO,
        where=where,
        what="the server's life is unknown: this process has no identity, so it cannot ask for a JWT-SVID, "
        "and an agent whose server is dead goes on answering old bundles",
        remedy=f"register it: spire-server entry create -selector unix:uid:{os.geteuid()} "
        "-spiffeID spiffe://TRUST_DOMAIN/oidc-publisher -parentID AGENT_ID",
    )


def _federated(chosen: TrustDomain, own: TrustDomain, where: str) -> Finding:
    return Finding(
        code="SRC003",
        severity=Severity.INFO,
        where=where,
        what=f"the life of {chosen}'s server is unknown: it is federated, and only {own}'s was asked",
        remedy=f"publish {chosen} from one of its own agents",
    )
