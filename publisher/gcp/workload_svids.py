"""Ask the Workload API for the SVIDs of this process.

Not through the `spiffe` package: it takes three times as long to import, which `gcp token` would pay for
every token, it does not show hints, and its streams retry on their own. The messages are the same.
"""

import os

from publisher.errors import BundleError, SourceError, SourceSettingsError, SourceUnavailableError
from publisher.gcp.identity_choice import Choice
from publisher.gcp.jwt_svid import JwtSvid, read_jwt_svid
from publisher.gcp.protocol import workload_svids_pb2
from publisher.ports import Deadline
from publisher.sources.endpoint import Endpoint
from publisher.sources.grpc_call import Peer, StatusError, connected, parse, refusal
from publisher.sources.retry import retry

FETCH_JWT_SVID = "/SpiffeWorkloadAPI/FetchJWTSVID"
FETCH_X509_SVID = "/SpiffeWorkloadAPI/FetchX509SVID"

_SETTING = "--workload-api (or SPIFFE_ENDPOINT_SOCKET)"


class NotRegisteredError(SourceUnavailableError):
    """Report that the agent has no identity for this process, or not yet."""


def agent_at(endpoint: str) -> Peer:
    """Describe the agent at `unix:///absolute/path` or `tcp://IP:port`.

    Raises:
        SourceSettingsError: another kind of endpoint.

    """
    parsed = Endpoint.parse(endpoint, setting=_SETTING)
    return Peer(endpoint=parsed, api="Workload API", program="spire-agent", setting=_SETTING)


def fetch_jwt_svid(peer: Peer, audience: str, choice: Choice, deadline: Deadline) -> JwtSvid:
    """Fetch one JWT-SVID for this audience, retrying within the deadline what may pass.

    An agent keeps what it fetched and renews it once half of its life is over.

    Raises:
        NotRegisteredError: the agent has no identity for this process.
        SeveralIdentitiesError: it has several, and `choice` does not say which.
        NoSuchIdentityError: it has not the one that `choice` names.
        NoIssuerError: the JWT-SVID has no `iss`.
        SourceError: no agent, none that answers, or none that answers with a usable JWT-SVID.
        BundleError: something that is not the Workload API answers.

    """
    return retry(lambda window: _attempt(peer, audience, choice, window), deadline)


def _attempt(peer: Peer, audience: str, choice: Choice, deadline: Deadline) -> JwtSvid:
    request = workload_svids_pb2.JWTSVIDRequest(audience=[audience], spiffe_id=choice.spiffe_id or "")
    with connected(peer, deadline) as connection:
        try:
            data = connection.answer(FETCH_JWT_SVID, request)
        except StatusError as status:
            raise refused(peer, status, choice) from status
    answer = parse(data, workload_svids_pb2.JWTSVIDResponse(), where=peer.where)
    chosen = choice.of(answer.svids, where=peer.where)
    return read_jwt_svid(
        chosen.svid,
        spiffe_id=chosen.spiffe_id,
        audience=audience,
        now=deadline.clock.now(),
        where=peer.where,
        hint=chosen.hint,
    )


def refused(peer: Peer, status: StatusError, choice: Choice) -> SourceError | BundleError:
    """Translate a status that a call for SVIDs ended with."""
    match status.code.name:
        case "PERMISSION_DENIED":
            wanted = choice.spiffe_id or "spiffe://TRUST_DOMAIN/WORKLOAD"
            return NotRegisteredError(
                peer.where,
                "the agent gives this process no identity"
                + (" of the one that is wanted" if choice.spiffe_id else "")
                + f" ({status.details})",
                f"register it: spire-server entry create -selector unix:uid:{os.geteuid()} "
                f"-spiffeID {wanted} -parentID AGENT_ID",
            )
        case "INVALID_ARGUMENT":
            return SourceSettingsError(
                peer.where,
                f"refuses the request as invalid ({status.details})",
                "correct --spiffe-id and --audience",
            )
        case _:
            return refusal(peer, status)
