"""The same application without the functions framework.

For a quick look: uvicorn --app-dir function --no-access-log --log-level error asgi:application
"""

import os

from spire_oidc_function.wiring import make_application, read_settings

application = make_application(read_settings(os.environ))
"""A bare ASGI application. The server's start reads once, so that the first request finds it warm."""
