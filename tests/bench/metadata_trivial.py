"""The least that a handler on the metadata server's own listener can do: the same bytes for everybody."""

import sys
import time

from publisher.gcp.metadata_server.answer import Answer, text
from publisher.gcp.metadata_server.connection import Peer
from publisher.gcp.metadata_server.listener import Listener, bind
from publisher.gcp.metadata_server.request import Request

BODY_BYTES = 400
"""About as many as the answer to a request for a token has."""


def main() -> None:
    """Serve until stdin ends."""
    answer = text("x" * BODY_BYTES)

    def respond(_request: Request, _peer: Peer) -> Answer:
        return answer

    listener = Listener(bind("127.0.0.1", int(sys.argv[1])), respond, monotonic=time.monotonic)
    listener.start()
    sys.stdin.read()
    listener.close()


if __name__ == "__main__":
    main()
