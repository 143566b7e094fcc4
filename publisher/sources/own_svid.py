"""Fetch a JWT-SVID of this process."""

import grpc
from spiffe import WorkloadApiClient
from spiffe.errors import PySpiffeError

from publisher.errors import SourceUnavailableError
from publisher.quoting import quote
from publisher.sources.endpoint import Endpoint
from publisher.sources.grpc_call import Connection, StatusError, parse
from publisher.sources.protocol import workload_pb2

_METHOD = "/SpiffeWorkloadAPI/FetchJWTSVID"


def fetch_own_svid(
    connection: Connection, endpoint: Endpoint, audience: str, *, where: str, seconds: float
) -> str:
    """Fetch one JWT-SVID for this audience within `seconds`: its compact serialisation, not yet checked.

    The `spiffe` package does it on unix sockets, the only ones it speaks to; over tcp our own call does.

    Raises:
        StatusError: the agent refused, or did not answer in time.
        SourceError: the agent was not reached, or answered with no JWT-SVID that the package takes.

    """
    if endpoint.path is None:
        return _over_tcp(connection, audience, where)
    try:
        with WorkloadApiClient(socket_path=endpoint.text) as client:
            return str(client.fetch_jwt_svid({audience}, timeout=seconds).token)
    except PySpiffeError as error:
        cause = error.__cause__
        if isinstance(cause, grpc.Call):
            raise StatusError(cause.code(), quote(cause.details() or "")) from None
        raise SourceUnavailableError(
            where,
            f"gives no JWT-SVID that can be used ({type(error).__name__})",  # its text may quote the token
            "look at the log of spire-agent and at this machine's clock",
        ) from None


def _over_tcp(connection: Connection, audience: str, where: str) -> str:
    data = connection.answer(_METHOD, workload_pb2.JWTSVIDRequest(audience=[audience]))
    response = parse(data, workload_pb2.JWTSVIDResponse(), where=where)
    if not response.svids:
        raise SourceUnavailableError(where, "answers without a JWT-SVID", "look at the log of spire-agent")
    return response.svids[0].svid
