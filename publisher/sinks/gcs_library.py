"""Import Google's client so that it sends no request which nobody asked for."""

import os
import warnings

# The client asks for the bucket's metadata in the background of every call, for tracing. That needs a
# permission which the least role lacks. The variable is read at calls, in some versions at import.
os.environ["DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"] = "true"

with warnings.catch_warnings():
    # "Please install grpcio-status": for errors of gRPC, which this client does not speak.
    warnings.simplefilter("ignore", ImportWarning)
    from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError
    from google.cloud.storage import Client
    from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

__all__ = ["Client", "DataCorruption", "GoogleAPICallError", "GoogleAPIError", "InvalidResponse"]
