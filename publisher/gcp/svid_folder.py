"""Keep SVIDs in a folder so that nobody, and no crash, ever sees half of one or a pair that does not fit.

A JWT-SVID is one file, and one file is replaced by a rename. An X.509-SVID is a certificate *and* a key, and
no rename replaces two files. So each one gets a folder of its own, its version, which is never changed;
`current` is a link to the one that counts and is replaced by a rename: that is Kubernetes' AtomicWriter. The
names at the top are links through `current`.

Who opens `current` once and reads both files in it has a pair that fits. So has who reads the credential
bundle, which is one file, and who follows the certificate configuration, which is one file, too, and names
the two others by the version's own path: so do Google's libraries. That path must outlive the change, so a
version is removed a minute after it was replaced, and not while the configuration names it. Only who opens
the two names at the top one after the other may get two versions, as with any other program that writes two
files; TLS libraries notice and say so.
"""

import json
import os
import shutil
import stat
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from publisher.errors import SinkSettingsError
from publisher.gcp.jwt_svid import JwtSvid
from publisher.gcp.svid_names import (
    BUNDLE,
    CERTIFICATE_CONFIG,
    CHAIN,
    CREDENTIAL_BUNDLE,
    CURRENT,
    JWT_SVID,
    KEY,
    TRUST_CHAIN,
    VERSION,
    X509_FILES,
)
from publisher.gcp.x509_svid import X509Svid
from publisher.quoting import quote
from publisher.sinks import files

GRACE = 60.0
"""Seconds that a replaced version stays: as long as a reader may take from the configuration to the files."""

MOST_KEPT = 8
"""The most versions that stay, whatever their age."""

_UNFINISHED = ".unfinished"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_EXISTING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class SvidFolder:
    """Write into one folder, open as `descriptor`, that nobody else writes into: the caller holds its lock.

    Any thread may call. Files are for the owner (0600), and for `group` to read (0640) if there is one.
    `seen_at` is where the workload finds the folder, an absolute path: it goes into the certificate
    configuration.
    """

    descriptor: int
    path: str
    seen_at: str
    group: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def where(self) -> str:
        """Name the place, as every error does."""
        return f"folder {quote(self.path)}"

    def write_jwt(self, svid: JwtSvid) -> None:
        """Replace the JWT-SVID, durably: the token and nothing after it.

        Raises:
            SinkError: not written; what was there is there.

        """
        with self._lock, files.translated(f"{self.where}: {JWT_SVID}"):
            self._replace(JWT_SVID, svid.token.encode())

    def write_x509(self, svid: X509Svid) -> bool:
        """Make a version of this SVID the current one, durably; False: it was already.

        Raises:
            SinkError: not written; the version that was current is so still.

        """
        with self._lock, files.translated(f"{self.where}: X.509-SVID"):
            self._link_names()
            bodies = _bodies(svid)
            current = self._current()
            is_new = current is None or not self._holds(current, bodies)
            if current is None or is_new:
                current = f"{VERSION}{max(self._versions(), default=0) + 1:06d}"
                self._make_version(current, bodies)
                self._link(CURRENT, current)
                os.fsync(self.descriptor)
            return self._configure(current) or is_new

    def sweep(self, now: float) -> None:
        """Remove what killed runs left, and versions that were replaced some time ago; `now` is Unix time.

        Raises:
            SinkError: something could not be removed.

        """
        with self._lock, files.translated(self.where):
            for name in self._names():
                if name.startswith(".") and name.endswith(_UNFINISHED):
                    self._remove(name)
            current = self._current()
            if current is None:
                return
            for name in self._outdated(current, now):
                self._remove(name)

    def _outdated(self, current: str, now: float) -> list[str]:
        """Give the versions to which no reader can still have been sent."""
        versions = self._versions()
        number = _number(current)
        # A higher number than the current one's was never shown: its writer was killed before.
        outdated = [versions[each] for each in versions if each > number]
        older = sorted((each for each in versions if each < number), reverse=True)
        successor, kept = current, 0
        for each in older[:MOST_KEPT]:
            replaced_at = os.stat(successor, dir_fd=self.descriptor, follow_symlinks=False).st_mtime
            if now - replaced_at >= GRACE:
                break
            successor, kept = versions[each], kept + 1
        outdated += [versions[each] for each in older[kept:]]
        # Of a writer that was killed between the link and the configuration.
        return [name for name in outdated if name != self._configured()]

    def _configure(self, version: str) -> bool:
        """Let the certificate configuration name a version; False: it did."""
        body = self._config(version)
        try:
            if self._is(self.descriptor, CERTIFICATE_CONFIG, body):
                return False
        except FileNotFoundError:
            pass
        self._replace(CERTIFICATE_CONFIG, body)
        return True

    def _configured(self) -> str | None:
        """Give the version that the certificate configuration names; None: none that is there."""
        for version in self._versions().values():
            with suppress(FileNotFoundError):
                if self._is(self.descriptor, CERTIFICATE_CONFIG, self._config(version), any_mode=True):
                    return version
        return None

    def _config(self, version: str) -> bytes:
        place = f"{self.seen_at.rstrip('/')}/{version}"
        paths = {"cert_path": f"{place}/{CHAIN}", "key_path": f"{place}/{KEY}"}
        return json.dumps({"version": 1, "cert_configs": {"workload": paths}}, indent=2).encode() + b"\n"

    def _replace(self, name: str, body: bytes) -> None:
        unfinished = f".{name}{_UNFINISHED}"
        with suppress(FileNotFoundError):
            os.unlink(unfinished, dir_fd=self.descriptor)
        self._write(self.descriptor, unfinished, body)
        os.rename(unfinished, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        os.fsync(self.descriptor)

    def _make_version(self, name: str, bodies: Mapping[str, bytes]) -> None:
        unfinished = f"{name}{_UNFINISHED}"
        self._remove(unfinished)
        os.mkdir(unfinished, 0o700, dir_fd=self.descriptor)
        version = os.open(unfinished, _FOLDER, dir_fd=self.descriptor)
        try:
            for file_name, body in bodies.items():
                self._write(version, file_name, body)
            self._give(version, 0o700, 0o750)
            os.fsync(version)
        finally:
            os.close(version)
        os.rename(unfinished, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        os.fsync(self.descriptor)

    def _write(self, folder: int, name: str, body: bytes) -> None:
        descriptor = os.open(name, _NEW, 0o600, dir_fd=folder)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            # Before there is anything in it: whatever happens, nobody reads it who should not.
            self._give(descriptor, 0o600, 0o640)
            file.write(body)
            file.flush()
            os.fsync(descriptor)

    def _give(self, descriptor: int, own: int, shared: int) -> None:
        if self.group is not None:
            os.fchown(descriptor, -1, self.group)
        os.fchmod(descriptor, own if self.group is None else shared)

    def _link_names(self) -> None:
        """Make the links at the top. They lead nowhere until there is a version."""
        for name in X509_FILES:
            target = f"{CURRENT}/{name}"
            try:
                if os.readlink(name, dir_fd=self.descriptor) == target:
                    continue
            except FileNotFoundError:
                pass
            except OSError as error:  # EINVAL: no link
                raise SinkSettingsError(
                    f"{self.where}: {name}",
                    "is there and was not made by this program",
                    "remove it, stop what else writes there, or choose another folder",
                ) from error
            self._link(name, target)

    def _link(self, name: str, target: str) -> None:
        unfinished = f".{name}{_UNFINISHED}"
        self._remove(unfinished)
        os.symlink(target, unfinished, dir_fd=self.descriptor)
        os.rename(unfinished, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def _current(self) -> str | None:
        """Give the version that counts; None: there is none, or the link is not ours."""
        try:
            target = os.readlink(CURRENT, dir_fd=self.descriptor)
        except FileNotFoundError:
            return None
        return target if _number(target) and target in self._versions().values() else None

    def _versions(self) -> dict[int, str]:
        return {number: name for name in self._names() if (number := _number(name))}

    def _names(self) -> list[str]:
        return os.listdir(self.descriptor)  # noqa: PTH208 - a descriptor has no path

    def _holds(self, version: str, bodies: Mapping[str, bytes]) -> bool:
        """Tell whether a version has these files, and its readers' rights are those of today."""
        folder = os.open(version, _FOLDER, dir_fd=self.descriptor)
        try:
            return all(self._is(folder, name, body) for name, body in bodies.items())
        except FileNotFoundError:
            return False
        finally:
            os.close(folder)

    def _is(self, folder: int, name: str, body: bytes, *, any_mode: bool = False) -> bool:
        with open(os.open(name, _EXISTING, dir_fd=folder), "rb") as file:  # noqa: PTH123 - as above
            found = os.fstat(file.fileno())
            mode, group = (0o600, found.st_gid) if self.group is None else (0o640, self.group)
            return (
                stat.S_ISREG(found.st_mode)
                and (any_mode or (stat.S_IMODE(found.st_mode), found.st_gid) == (mode, group))
                and file.read(len(body) + 1) == body
            )

    def _remove(self, name: str) -> None:
        """Remove a link, a file, or a version with what is in it; nothing is followed."""
        with suppress(FileNotFoundError):
            if stat.S_ISDIR(os.stat(name, dir_fd=self.descriptor, follow_symlinks=False).st_mode):
                shutil.rmtree(name, dir_fd=self.descriptor)
            else:
                os.unlink(name, dir_fd=self.descriptor)


def _number(name: str) -> int:
    """Give the number of a version by its name; 0: it is none."""
    digits = name.removeprefix(VERSION)
    return int(digits) if digits != name and digits.isascii() and digits.isdigit() else 0


def _bodies(svid: X509Svid) -> Mapping[str, bytes]:
    chain = b"".join(svid.chain)
    return {
        CHAIN: chain,
        KEY: svid.key,
        BUNDLE: b"".join(svid.authorities),
        TRUST_CHAIN: b"".join(svid.chain[1:]),
        CREDENTIAL_BUNDLE: svid.key + chain,
    }
