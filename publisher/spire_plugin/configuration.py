"""The part of `server.conf` that runs this installation as a plugin, ready to be pasted."""

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

from publisher.errors import SettingsError, UsageError
from publisher.quoting import quote
from publisher.spire_plugin.settings import BadSettingsError, read

PROGRAM = "spire-oidc-publisher"

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_ROLE = """\
# The service account of this spire-server (Application Default Credentials) needs, on {bucket} alone:
#   gcloud iam roles create spireOidcPublisher --project=PROJECT --title="SPIRE OIDC publisher" \\
#       --permissions=storage.objects.get,storage.objects.create,storage.objects.delete
#   gcloud storage buckets add-iam-policy-binding gs://{bucket} \\
#       --member=serviceAccount:ACCOUNT@PROJECT.iam.gserviceaccount.com \\
#       --role=projects/PROJECT/roles/spireOidcPublisher
"""


def find_program() -> Path:
    """Find the program that spire-server shall start: the one that runs now, or the one on the PATH.

    Raises:
        SettingsError: this was started as a module, and there is none.

    """
    for found in (sys.argv[0], str(Path(sys.executable).parent / PROGRAM), shutil.which(PROGRAM)):
        if found and Path(found).name == PROGRAM and Path(found).is_file():
            return Path(found).absolute()
    raise SettingsError(
        PROGRAM, "is not installed as a program", "install the package, and run it by that name"
    )


def configuration(program: Path, *, sink: str, issuer: str | None, name: str) -> str:
    """Write the `BundlePublisher` block for this program, and which rights it needs, as comments.

    `issuer` None: the URL at which Google serves the bucket of `sink`.

    Raises:
        UsageError: the name has other characters than letters, digits and _ . - or is longer than 64.
        SettingsError: the program cannot be read; sink and issuer are no good settings; no issuer is given
            and the sink has no URL of its own.

    """
    if not _NAME.fullmatch(name):
        raise UsageError("--name", f"{quote(name, 40)} is no name", "write letters, digits, _ . and - only")
    if issuer is None:
        if not sink.startswith("gs://"):
            raise SettingsError("--issuer", "is required with this sink", "give the iss of your JWT-SVIDs")
        issuer = f"https://storage.googleapis.com/{sink.removeprefix('gs://').rstrip('/')}"
    data = f"sink   = {_quoted(sink)}\n      issuer = {_quoted(issuer)}"
    try:
        read(data, "example.org")
    except BadSettingsError as error:
        raise SettingsError("--sink and --issuer", error.text, "correct them") from error
    try:
        checksum = hashlib.sha256(program.read_bytes()).hexdigest()
    except OSError as error:
        raise SettingsError(quote(str(program)), "cannot be read", "let this user read it") from error
    bucket = sink.removeprefix("gs://").partition("/")[0]
    role = _ROLE.format(bucket=bucket) if sink.startswith("gs://") else ""
    return f"""\
{role}# jwt_issuer in the server block must be {_quoted(issuer)}, byte for byte.
plugins {{
  BundlePublisher {_quoted(name)} {{
    plugin_cmd      = {_quoted(str(program))}
    plugin_args     = ["spire-plugin"]
    # Of the program alone: it starts Python, whose packages whoever may write to them can change.
    plugin_checksum = "{checksum}"
    plugin_data {{
      {data}
    }}
  }}
}}
"""


def _quoted(text: str) -> str:
    return json.dumps(text)
