"""What an executable-sourced credential of Google's libraries asks of its program, and the answer.

The contract is that of google-auth's `pluggable` module and of Google's "executable-sourced credentials": the
question is in the environment, the answer one JSON object on standard output, and a copy of a good answer may
lie in the output file, which the libraries read before they run the program.
"""

import fcntl
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

from publisher import strict_json
from publisher.errors import ExitStatus, PublisherError, SettingsError, SinkError
from publisher.gcp.jwt_svid import JwtSvid
from publisher.gcp.safe_folder import open_safe_folder
from publisher.quoting import quote

PREFIX: Final = "GOOGLE_EXTERNAL_ACCOUNT_"
JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
TOKEN_TYPES: Final = (JWT, "urn:ietf:params:oauth:token-type:id_token")
"""The types that a JWT-SVID can be called by; `saml2` is the third that the libraries know."""

LONGEST_MARGIN: Final = 60
"""The most seconds before its expiry from which on a cached token is asked for anew."""

_MODE = 0o600
_NEW = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OTHER_CODES = {
    ExitStatus.TEMPORARY: "UNAVAILABLE",
    ExitStatus.USAGE: "USAGE",
    ExitStatus.SETTINGS: "SETTINGS",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Hold what a library asks by environment; None where it does not say."""

    audience: str | None = None
    token_type: str = JWT
    output_file: str | None = None

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read `GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE`, `_TOKEN_TYPE`, `_OUTPUT_FILE` and `_REVOKE`.

        Of the others none matters: who is impersonated is the library's business, and there is nobody to
        interact with.

        Raises:
            SettingsError: another type of token is asked for, or the revocation of one.

        """
        if environment.get(f"{PREFIX}REVOKE") == "1":
            raise SettingsError(
                f"{PREFIX}REVOKE", "a JWT-SVID cannot be revoked", "delete its registration entry in SPIRE"
            )
        token_type = environment.get(f"{PREFIX}TOKEN_TYPE") or JWT
        if token_type not in TOKEN_TYPES:
            raise SettingsError(
                f"{PREFIX}TOKEN_TYPE {quote(token_type)}",
                "is not what this program has",
                f"set subject_token_type to {JWT} in the credential configuration",
            )
        return cls(
            audience=environment.get(f"{PREFIX}AUDIENCE") or None,
            token_type=token_type,
            output_file=environment.get(f"{PREFIX}OUTPUT_FILE") or None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold the bytes for standard output, and whether they may be kept in the output file."""

    body: bytes
    is_cacheable: bool = False


def success(svid: JwtSvid, token_type: str, now: float) -> Answer:
    """Answer with a JWT-SVID; `now` is in Unix seconds.

    `expiration_time` is earlier than the token's own end, by a quarter of its life and at most a minute: the
    libraries use a cached answer up to that second, and a token needs time, and equal clocks, to reach STS.
    Where less than that is left, because the agent does not reach its server, it is the token's own end, and
    the answer is not for keeping.
    """
    early = svid.expires_at - min(LONGEST_MARGIN, svid.life // 4)
    is_cacheable = early > now
    members = {
        "version": 1,
        "success": True,
        "token_type": token_type,
        "id_token": svid.token,
        "expiration_time": early if is_cacheable else svid.expires_at,
    }
    return Answer(body=_line(members), is_cacheable=is_cacheable)


def failure(error: PublisherError) -> Answer:
    """Answer that there is none, and why: a code of capitals and the error's own sentence."""
    return failed(code_of(error), str(error))


def failed(code: str, message: str) -> Answer:
    """Answer that there is none, for that reason."""
    return Answer(body=_line({"version": 1, "success": False, "code": code, "message": message}))


def code_of(error: PublisherError) -> str:
    """Name an error by one word, which stays the same whatever its sentence says."""
    # By name: `workload_svids` imports gRPC, which a usage error does not need.
    match type(error).__name__:
        case "NotRegisteredError":
            return "NOT_REGISTERED"
        case "SeveralIdentitiesError":
            return "SEVERAL_IDENTITIES"
        case "NoSuchIdentityError":
            return "NO_SUCH_IDENTITY"
        case "NoIssuerError":
            return "NO_ISSUER"
        case _:
            return _OTHER_CODES.get(error.exit_status, "SETTINGS")


def keep(answer: Answer, output_file: str) -> bool:
    """Write the output file, mode 0600, whole or not at all; tell whether it was.

    Nothing here raises: the answer on standard output is as good without it. It is not written into a folder
    that others may write in, through a symbolic link, or over the file of another user. Processes that ask at
    once have equally good answers, so whoever comes second leaves it.

    Not synced: after a power cut an empty file is read as no answer, and the program is run.
    """
    folder_name, name = os.path.split(os.path.abspath(output_file))  # noqa: PTH100 (a name, not a file)
    try:
        folder = open_safe_folder(folder_name)
    except (OSError, ValueError, SinkError):
        return False
    try:
        return _replace(folder, name, answer.body)
    except (OSError, ValueError):
        return False
    finally:
        os.close(folder)


def _replace(folder: int, name: str, body: bytes) -> bool:
    """Write another file of a fixed name, so that what a killed run left is used, and rename it."""
    unfinished = f".{name}.unfinished"
    descriptor = os.open(unfinished, _NEW, _MODE, dir_fd=folder)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink != 1:
            return False
        with suppress(FileNotFoundError):
            # What was opened may have become the output file meanwhile, which must not be cut.
            if os.path.samestat(found, os.stat(unfinished, dir_fd=folder, follow_symlinks=False)):
                os.fchmod(descriptor, _MODE)
                os.ftruncate(descriptor, 0)
                file.write(body)
                file.flush()
                os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
                return True
    return False


def _line(members: Mapping[str, Any]) -> bytes:
    return strict_json.dumps(members) + b"\n"
