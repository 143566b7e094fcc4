"""Notice a publisher whose credentials hang on its own publication."""

import base64
import subprocess
from functools import lru_cache
from typing import Any

from google.auth.exceptions import GoogleAuthError

from publisher import strict_json
from publisher.findings import Finding, Severity
from publisher.quoting import quote

_LARGEST_TOKEN = 65536


def locked_out(credentials: Any, issuer: str) -> Finding | None:
    """Find credentials that are exchanged for a token of the very issuer that is published.

    Google checks such a token against what is published. After one missed rotation it refuses them, and the
    publisher cannot write what would make it accept them.
    """
    # By shape and not by class: the class costs an import that most runs do not need.
    info = getattr(credentials, "info", None)
    if not isinstance(info, dict) or info.get("type") != "external_account":
        return None
    source = info.get("credential_source") or {}
    # Reading a file is cheap. An executable is started once more, if it already worked in this run.
    if not ("file" in source or ("executable" in source and credentials.valid)):
        return None
    if _token_issuer(credentials) != issuer:
        return None
    return Finding(
        code="GCS001",
        severity=Severity.WARNING,
        where=f"issuer {quote(issuer)}",
        what="the publisher's own Google credentials are federated from the issuer that it publishes: "
        "one missed rotation locks it out of its bucket",
        remedy="give the publisher credentials that do not depend on this issuer, such as the machine's "
        "service account, or keep a second way to write the bucket",
    )


@lru_cache(maxsize=8)
def _token_issuer(credentials: Any) -> str | None:
    """Give the `iss` of a federated credential's own token, unverified; asked once for each credential."""
    try:
        return _issuer_of(credentials.retrieve_subject_token(None))
    except (GoogleAuthError, OSError, subprocess.SubprocessError, ValueError, TypeError, LookupError):
        return None  # a remark is not worth a failure: the credentials themselves worked or said why not
    except strict_json.MalformedError:
        return None


def _issuer_of(token: str) -> str | None:
    payload = token[:_LARGEST_TOKEN].split(".")[1]
    claims = strict_json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), where="subject token"
    )
    issuer = claims["iss"]
    return issuer if isinstance(issuer, str) else None
