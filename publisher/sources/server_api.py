"""Fetch the bundle from SPIRE's server itself: the only source that tells expiry and taint."""

from grpc import StatusCode

from publisher.bundle.fetched import Fetched, SourceKind
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import BundleError, SourceError, SourceSettingsError
from publisher.ports import Deadline
from publisher.sources.endpoint import Endpoint
from publisher.sources.grpc_call import Peer, StatusError, connected, parse, refusal
from publisher.sources.protocol import server_pb2
from publisher.sources.retry import retry
from publisher.sources.spire_bundle import fetched

GET_BUNDLE = "/spire.api.server.bundle.v1.Bundle/GetBundle"
"""Answers the bundle, of which an output mask names the parts that are wanted."""

_SETTING = "--source server-api:"


class ServerApiSource:
    """Implement `ports.Source` over `Bundle/GetBundle` of SPIRE's server API, on its private socket.

    `endpoint` is `unix:///absolute/path`. Whoever may open that socket administers SPIRE: prefer another
    source where expiry and taint are not needed.

    Raises:
        SourceSettingsError: another kind of endpoint.

    """

    def __init__(self, endpoint: str, trust_domain: TrustDomain | None) -> None:
        self._peer = server_at(endpoint)
        self._wanted = trust_domain

    def fetch(self, deadline: Deadline) -> Fetched:
        """Fetch once, retrying within the deadline what may pass.

        A tainted authority stays in the bundle, as in SPIRE, and is a finding.

        Raises:
            SourceError: no server, none that answers, or no permission.
            BundleError: a bundle of another trust domain, or one that is unsafe to publish.

        """
        return retry(self._attempt, deadline)

    def _attempt(self, deadline: Deadline) -> Fetched:
        request = server_pb2.GetBundleRequest(
            output_mask=server_pb2.BundleMask(jwt_authorities=True, refresh_hint=True, sequence_number=True)
        )
        with connected(self._peer, deadline) as connection:
            try:
                data = connection.answer(GET_BUNDLE, request)
            except StatusError as status:
                raise denial(self._peer, status) from status
        return fetched(
            parse(data, server_pb2.Bundle(), where=self._peer.where),
            self._wanted,
            source=SourceKind.SERVER_API,
            where=self._peer.where,
        )


def server_at(endpoint: str) -> Peer:
    """Name the server at that endpoint.

    Raises:
        SourceSettingsError: another kind of endpoint.

    """
    parsed = Endpoint.parse(endpoint, setting=_SETTING, tcp=False)
    return Peer(endpoint=parsed, api="SPIRE server API", program="spire-server", setting=_SETTING)


def denial(peer: Peer, status: StatusError) -> SourceError | BundleError:
    """Translate a status that a call of `GET_BUNDLE` ended with."""
    if status.code is StatusCode.PERMISSION_DENIED:
        return SourceSettingsError(
            peer.where,
            f"denies the bundle to this process ({status.details})",
            "run as a user that SPIRE's server lets in",
        )
    return refusal(peer, status)
