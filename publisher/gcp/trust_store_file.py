"""Keep a trust store in a file, as `gcloud --trust-store-config-path` takes it."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

from publisher import strict_json
from publisher.errors import BundleError, PublisherError, SettingsError
from publisher.gcp.setup_plan import Difference, store_difference, trust_store_file
from publisher.gcp.trust_store import TrustStore
from publisher.quoting import quote

_REMEDY = "look at what wrote it, or name another file in --trust-store"


def difference(path: Path, wanted: TrustStore) -> Difference | None:
    """Compare with what the file has, nothing if it is not there; None: they are equal.

    Raises:
        SettingsError: the file is there and cannot be read.
        BundleError: it is no trust store.

    """
    where = f"trust store {quote(str(path))}"
    return store_difference(wanted, _read(path, where), where=where)


def write(path: Path, wanted: TrustStore) -> None:
    """Replace the file at once, readable for all: certificates are public.

    Raises:
        SettingsError: it cannot be written.

    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(trust_store_file(wanted))
                file.flush()
                os.fsync(descriptor)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise SettingsError(
            f"trust store {quote(str(path))}",
            f"was not written ({quote(error.strerror)})",
            "name a file in a folder that is there and that you may write to",
        ) from error


def _read(path: Path, where: str) -> Any:
    try:
        with path.open("rb") as file:
            data = file.read(strict_json.LARGEST + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(where, f"cannot be read ({quote(error.strerror)})", _REMEDY) from error
    try:
        document = strict_json.loads(data, where=where)
    except PublisherError as error:
        raise BundleError(where, error.what, _REMEDY) from error
    store = document.get("trustStore") if isinstance(document, dict) else None
    if store is None:
        raise BundleError(where, "has no `trustStore`", _REMEDY)
    return store
