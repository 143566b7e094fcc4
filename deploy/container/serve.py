"""Run the application bare on uvicorn: the container's program.

`PORT` (8080) is where it listens, on every IPv4 address; all other settings are the function's. SIGTERM ends
it: what is being answered is finished first.
"""

import os
import sys

import uvicorn

from asgi import application
from quick_protocol import quick_protocol
from spire_oidc_function.application import Application

PORT = "8080"
GRACE = 5
"""Seconds for answers under way once SIGTERM came; Cloud Run and Kubernetes allow 10 and 30."""

KEEP_ALIVE = 620
"""Seconds that an idle connection is kept: Google's load balancers reuse theirs for 600, and whoever closes
first while a request is on its way makes it a 502."""

MOST_CONNECTIONS = 2048
"""Beyond so many connections the server answers 503: one process must not run out of descriptors."""


def main() -> int:
    """Serve until SIGTERM or SIGINT; give 78 if `PORT` is no port."""
    port = os.environ.get("PORT") or PORT
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):  # noqa: PLR2004
        sys.stderr.write("PORT: is no number from 1 to 65535; unset it, or set it to where to listen\n")
        return 78
    uvicorn.run(
        application,
        host="0.0.0.0",  # noqa: S104 - in a container there is nothing else to be reached by
        port=int(port),
        loop="uvloop",
        http=quick_protocol(application) if isinstance(application, Application) else "httptools",
        # Nothing here asks for the client's address, speaks WebSocket or logs single requests.
        proxy_headers=False,
        ws="none",
        access_log=False,
        log_config=None,  # the application has configured logging already
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
