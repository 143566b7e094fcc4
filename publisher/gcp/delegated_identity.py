"""Ask SPIRE's agent for the JWT-SVIDs of another process: the Delegated Identity API of its admin socket."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc

from publisher.errors import PublisherError
from publisher.gcp.protocol import delegated_identity_pb2
from publisher.ports import Deadline
from publisher.quoting import quote
from publisher.sources.endpoint import Endpoint
from publisher.sources.grpc_call import Connection, Peer, StatusError, open_channel, parse, refusal

FETCH_JWT_SVIDS = "/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/FetchJWTSVIDs"

SETTING = "--admin-socket"
_NOT_A_DELEGATE = "not configured as an authorized delegate"
_LIFE_OF_A_CHANNEL = 5.0


class NotDelegatedError(PublisherError):
    """Report that the agent does not let this process ask for others."""


class NoIdentityError(PublisherError):
    """Report that the agent knows no registration for the process, or none for the one that asks for it."""


class AgentUnavailableError(PublisherError):
    """Report an agent that does not answer, or not with JWT-SVIDs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegatedSvid:
    """Hold the JWT-SVID of another process."""

    spiffe_id: str
    token: str = field(repr=False)


def agent_at(endpoint: str) -> Peer:
    """Describe the agent whose admin socket is `unix:///absolute/path`.

    Raises:
        SourceSettingsError: another kind of endpoint.

    """
    parsed = Endpoint.parse(endpoint, setting=SETTING, tcp=False)
    return Peer(endpoint=parsed, api="Delegated Identity API", program="spire-agent", setting=SETTING)


class DelegatedIdentity:
    """Ask one agent, over one channel as long as it holds. Usable from many threads.

    Whoever may ask so can have the SVID of every process of this machine: what keeps the answers apart is
    that the caller's process was found beyond doubt, before and after.
    """

    def __init__(self, peer: Peer, clock_of: Callable[[], Deadline]) -> None:
        self._peer = peer
        self._deadline = clock_of
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None

    def fetch_jwt_svids(self, pid: int, audience: str) -> tuple[DelegatedSvid, ...]:
        """Fetch the JWT-SVIDs of the process that has this pid now: at least one, for this audience.

        The agent attests the process while it answers; that it is still the same one afterwards is for the
        caller to make sure of.

        Raises:
            NotDelegatedError: this process is none of the agent's `authorized_delegates`.
            NoIdentityError: no registration entry fits the process.
            AgentUnavailableError: no answer, or none that makes sense.

        """
        request = delegated_identity_pb2.FetchJWTSVIDsRequest(audience=[audience], pid=pid)
        channel = self._open()
        try:
            data = Connection(self._peer, channel, self._deadline()).answer(FETCH_JWT_SVIDS, request)
            response = parse(data, delegated_identity_pb2.FetchJWTSVIDsResponse(), where=self._peer.where)
        except StatusError as status:
            # An agent that denies one process answers the others: they keep their channel.
            if status.code is not grpc.StatusCode.PERMISSION_DENIED:
                self._drop(channel)
            raise self._refused(status) from None
        except PublisherError as error:
            self._drop(channel)
            raise AgentUnavailableError(error.where, error.what, error.remedy) from None
        svids = tuple(
            DelegatedSvid(spiffe_id=f"spiffe://{svid.id.trust_domain}{svid.id.path}", token=svid.token)
            for svid in response.svids
            if svid.token and svid.id.trust_domain
        )
        if not svids:
            raise AgentUnavailableError(
                self._peer.where, "answers without a JWT-SVID", "look at the log of spire-agent"
            )
        return svids

    def close(self) -> None:
        """End what is under way."""
        with self._lock:
            if self._channel is not None:
                self._channel.close()
                self._channel = None

    def _open(self) -> grpc.Channel:
        with self._lock:
            if self._channel is None:
                self._channel = open_channel(self._peer, _LIFE_OF_A_CHANNEL)
            return self._channel

    def _drop(self, channel: grpc.Channel) -> None:
        """Begin anew after a failure: a channel whose agent was away waits before it connects again.

        It is not closed here: other threads may have calls on it, and its last user's end closes it.
        """
        with self._lock:
            if self._channel is channel:
                self._channel = None

    def _refused(self, status: StatusError) -> PublisherError:
        where = self._peer.where
        if status.code is grpc.StatusCode.PERMISSION_DENIED:
            if _NOT_A_DELEGATE in status.details:
                return NotDelegatedError(
                    where,
                    f"does not let this server ask for others ({status.details})",
                    "add this server's SPIFFE ID to authorized_delegates in agent.conf",
                )
            return NoIdentityError(
                where,
                f"knows no registration that fits ({status.details})",
                "register the workload: spire-server entry create -selector unix:uid:UID ...; "
                "the metadata server itself needs an entry, too",
            )
        error = refusal(self._peer, status)
        return AgentUnavailableError(error.where, error.what, error.remedy)


def shown(error: PublisherError) -> str:
    """Say an error in one line for a workload."""
    return quote(str(error), 500).strip("'\"")
