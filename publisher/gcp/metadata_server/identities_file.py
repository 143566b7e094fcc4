"""The TOML file that says which service account each SPIFFE ID acts as."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from publisher.errors import SettingsError
from publisher.quoting import quote

LARGEST: Final = 1024 * 1024
"""The most bytes of the file."""

MOST: Final = 1000
"""The most identities in it."""

_TABLES = "identity"
_SPIFFE_ID = re.compile(r"spiffe://[a-z0-9._-]{1,255}((?:/[A-Za-z0-9._-]+)*)", re.ASCII)
_LONGEST_ID = 2048
_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}@[a-z0-9][a-z0-9.:-]{0,98}\.gserviceaccount\.com", re.ASCII)
_FORM = 'write [[identity]] tables with spiffe_id = "spiffe://..." and service_account = "..."'


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Say what one SPIFFE ID acts as: a service account, or, None, the federated identity itself."""

    spiffe_id: str
    service_account: str | None


def checked_account(text: str) -> str:
    """Check the e-mail address of a service account.

    Raises:
        ValueError: it is none.

    """
    if not _ACCOUNT.fullmatch(text):
        raise ValueError(f"{quote(text)} is no e-mail address of a service account")
    return text


def read_identities(path: Path) -> dict[str, Identity]:
    """Read the file: identities by SPIFFE ID, in its order.

    Raises:
        SettingsError: not readable, not TOML, or anything but tables that are all plain and unique.

    """
    where = f"--identities {quote(str(path))}"
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise SettingsError(
            where, f"cannot be read ({quote(error.strerror)})", "let this server's user read it"
        ) from error
    if len(data) > LARGEST:
        raise SettingsError(where, f"has more than {LARGEST} bytes", _FORM)
    return parse_identities(data, where=where)


def parse_identities(data: bytes, *, where: str) -> dict[str, Identity]:
    """Parse the file's content; see `read_identities`.

    Raises:
        SettingsError: see there.

    """
    try:
        content = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and TOMLDecodeError are ValueErrors
        raise SettingsError(where, f"is not TOML: {quote(str(error))}", _FORM) from error
    tables = content.get(_TABLES)
    if content.keys() != {_TABLES} or not isinstance(tables, list) or not 0 < len(tables) <= MOST:
        raise SettingsError(where, f"is no list of 1 to {MOST} tables [[{_TABLES}]] and nothing else", _FORM)
    identities: dict[str, Identity] = {}
    for number, table in enumerate(tables, 1):
        identity = _identity(table, f"{where}: identity {number}")
        if identity.spiffe_id in identities:
            what = f"{quote(identity.spiffe_id)} stands there already"
            raise SettingsError(f"{where}: identity {number}", what, "give each SPIFFE ID one table")
        identities[identity.spiffe_id] = identity
    return identities


def _identity(table: Any, where: str) -> Identity:
    if not isinstance(table, Mapping):
        raise SettingsError(where, "is no table", _FORM)
    if unknown := sorted(table.keys() - {"spiffe_id", "service_account"}):
        raise SettingsError(where, f"has the unknown member {quote(unknown[0], 60)}", _FORM)
    spiffe_id, account = table.get("spiffe_id"), table.get("service_account")
    match = _SPIFFE_ID.fullmatch(spiffe_id) if isinstance(spiffe_id, str) else None
    if (
        match is None
        or len(match[0]) > _LONGEST_ID
        or any(part in {".", ".."} for part in match[1].split("/"))
    ):
        raise SettingsError(where, f"has no SPIFFE ID in spiffe_id ({quote(spiffe_id)})", _FORM)
    if account is not None:
        try:
            if not isinstance(account, str):
                raise ValueError(f"{quote(account)} is no string")  # noqa: TRY004, TRY301 (one way out)
            checked_account(account)
        except ValueError as error:
            raise SettingsError(
                where, str(error), "write name@project.iam.gserviceaccount.com, or leave it out"
            ) from error
    return Identity(spiffe_id=match[0], service_account=account)
