"""The stage of the program: whether Google's libraries can and may run it, and what they kept of it."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from publisher import strict_json
from publisher.gcp.doctor.regular_file import read_regular
from publisher.gcp.doctor.stage import Seen, error, fine, unknown
from publisher.gcp.doctor.target import Program
from publisher.gcp.doctor.token import JwtSeen, NotJwtError
from publisher.quoting import quote

_LARGEST = 256 * 1024


def look_at_program(program: Program, now: float) -> Seen:
    """Look at what the libraries run, without running it; `now` is in Unix seconds.

    They look at the variable first, then at the output file, and run the program only where that file has
    nothing that is still valid.
    """
    where = f"program {quote(program.name)}"
    if shutil.which(program.name, path=program.path) is None:
        remedy = (
            "install it there for the workload's user, or write the configuration anew: "
            "spire-oidc-publisher gcp credential-config --program PATH"
        )
        return error("GCP024", where, "is not there, or this user may not run it", remedy)
    if not program.is_allowed:
        return error(
            "GCP024",
            where,
            "Google's libraries run no program: GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES is not 1",
            "set GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1 in the workload's environment",
        )
    kept = None if program.output_file is None else _look_at_kept(program.output_file, now)
    if kept is not None:
        return kept
    if not program.is_ours:
        said = "is not gcp token of this project: which SVID it gives is not looked at, the agent is asked"
        return unknown(where, said)
    return fine(where, "is there, and the libraries may run it")


def _look_at_kept(path: Path, now: float) -> Seen | None:
    """Say what is wrong with the kept answer, which the libraries use before the program's; None: nothing."""
    members = _members(path)
    ends = members.get("expiration_time")
    if members.get("success") is not True or not isinstance(ends, int | float) or ends <= now:
        return None
    try:
        JwtSeen.parse(str(members.get("id_token", "")))
    except NotJwtError as failure:
        where = f"output file {quote(str(path))}"
        what = f"its id_token {failure}, and Google's libraries use it until it has expired"
        return error("GCP024", where, what, "delete that file: the program writes it anew")
    return None


def _members(path: Path) -> Mapping[str, Any]:
    """Read the kept answer; empty: there is none that the libraries would use."""
    try:
        members = strict_json.loads(read_regular(path, _LARGEST), where="output file")
    except (OSError, strict_json.MalformedError):
        return {}
    return members if isinstance(members, dict) else {}
