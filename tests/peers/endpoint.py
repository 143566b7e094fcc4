"""Read a peer's bundle endpoint as any https client does."""

import ssl
import urllib.error
import urllib.request

from tests.peers.peer import SpirePeer

_PATIENCE = 10


def read_endpoint(peer: SpirePeer, path: str = "", method: str = "GET") -> tuple[int, str, bytes]:
    """Give status, Content-Type and body; the certificate is verified against the peer's own CA."""
    context = ssl.create_default_context(cafile=str(peer.ca_file))
    request = urllib.request.Request(peer.bundle_endpoint + path, method=method)
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE, context=context) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, "", b""
