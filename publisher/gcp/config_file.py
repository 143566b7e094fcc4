"""Replace a credential configuration, and nothing else."""

import os
from pathlib import Path

from publisher import strict_json
from publisher.errors import SettingsError
from publisher.gcp.credential_config import ACCOUNT_TYPE
from publisher.quoting import quote
from publisher.sinks import files


def write_config(path: Path, body: bytes) -> None:
    """Write the file whole and durably, mode 0644; a link of that name is replaced, not followed.

    It says where an SVID is and holds none, so everybody may read it; whoever could write it would choose
    what the workload runs. An existing file is replaced only if it is a configuration as well: the name
    mistyped could be that of a service account's key.

    Raises:
        SettingsError: another kind of file is there.
        SinkError: not written.

    """
    where = f"file {quote(str(path))}"
    with files.translated(where):
        folder = files.open_folder(path.parent)
    try:
        with files.translated(where):
            present = None if path.is_symlink() else files.read(folder, path.name, where=where)
            if present is not None and not _is_config(present):
                raise SettingsError(
                    where, "is there and is no credential configuration", "remove it, or name another file"
                )
            files.replace(folder, path.name, body)
    finally:
        os.close(folder)


def _is_config(body: bytes) -> bool:
    try:
        members = strict_json.loads(body, where="file")
    except strict_json.MalformedError:
        return False
    return isinstance(members, dict) and members.get("type") == ACCOUNT_TYPE
