"""The folder of SVIDs: what is in it, who may read it, and that no crash and no reader sees a torn pair."""

import json
import os
import ssl
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from publisher.errors import BundleError, SettingsError, SinkSettingsError, SinkUnavailableError
from publisher.gcp.identity_choice import Choice, NoSuchIdentityError
from publisher.gcp.svid_folder import GRACE, MOST_KEPT
from publisher.gcp.svid_folder_opening import LOCK
from publisher.gcp.svid_names import X509_FILES
from publisher.gcp.x509_svid import read_x509_svid
from tests.gcp.svid_reading import AUTHORITY, NOW, READERS, fits, jwt_svid, message, opened, x509_svid


def test_everything_is_there_in_the_forms_that_tools_read(tmp_path: Path) -> None:
    path = tmp_path / "svids"
    svid = x509_svid()
    with opened(path) as folder:
        folder.write_jwt(jwt_svid())
        assert folder.write_x509(svid)
    assert (path / "jwt_svid.token").read_bytes() == b"a.b.c"
    chain = x509.load_pem_x509_certificates((path / "svid.pem").read_bytes())
    assert len(chain) == 2
    assert x509.load_pem_x509_certificates((path / "trust_chain.pem").read_bytes()) == chain[1:]
    assert (path / "svid_bundle.pem").read_text() == AUTHORITY.pem
    assert all(fits(*read(path)) for read in READERS)
    context = ssl.create_default_context()
    context.load_cert_chain(path / "svid.pem", path / "svid_key.pem")
    context.load_cert_chain(path / "credential_bundle.pem")
    assert svid.key.decode() not in repr(svid)


def test_modes_are_the_owners_alone_or_the_groups_to_read(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        for name, group, file_mode, folder_mode in (
            ("own", None, 0o600, 0o700),
            ("shared", str(os.getgid()), 0o640, 0o750),
        ):
            with opened(tmp_path / name, group=group) as folder:
                folder.write_jwt(jwt_svid())
                folder.write_x509(x509_svid())
            files = [
                tmp_path / name / each for each in ("jwt_svid.token", "certificate_config.json", *X509_FILES)
            ]
            assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {file_mode}
            folders = [tmp_path / name, tmp_path / name / "current"]
            assert {stat.S_IMODE(each.stat().st_mode) for each in folders} == {folder_mode}
            assert stat.S_IMODE((tmp_path / name / LOCK).stat().st_mode) == 0o600
    finally:
        os.umask(old)
    with opened(tmp_path / "own", group=str(os.getgid())) as folder:
        svid = x509_svid()
        assert folder.write_x509(svid)
        assert not folder.write_x509(svid)
    with opened(tmp_path / "own") as folder:
        assert folder.write_x509(svid), "a right that was taken back makes a new version"


def test_the_same_svid_makes_no_new_version_and_another_place_a_new_configuration(tmp_path: Path) -> None:
    svid = x509_svid()
    for _ in range(2):
        with opened(tmp_path / "svids") as folder:
            folder.write_x509(svid)
    assert (tmp_path / "svids/current").readlink() == Path(".x509-000001")
    config = json.loads((tmp_path / "svids/certificate_config.json").read_bytes())
    assert config["cert_configs"]["workload"]["key_path"] == f"{tmp_path}/svids/.x509-000001/svid_key.pem"
    with opened(tmp_path / "svids", seen_at="/run/other/") as folder:
        assert folder.write_x509(svid)
    config = json.loads((tmp_path / "svids/certificate_config.json").read_bytes())
    assert config["cert_configs"]["workload"]["key_path"] == "/run/other/.x509-000001/svid_key.pem"


def versions(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir() if each.name.startswith(".x509-"))


def test_old_versions_stay_for_a_minute_and_never_too_many(tmp_path: Path) -> None:
    now = NOW.timestamp()
    with opened(tmp_path / "svids") as folder:
        for _ in range(3):
            folder.write_x509(x509_svid())
        folder.sweep(now)
        assert len(versions(tmp_path / "svids")) == 3
        os.utime(tmp_path / "svids/.x509-000002", (now - GRACE - 1, now - GRACE - 1))
        folder.sweep(now)
        assert versions(tmp_path / "svids") == [".x509-000002", ".x509-000003"]
        for _ in range(MOST_KEPT + 3):
            folder.write_x509(x509_svid())
        folder.sweep(now)
        assert len(versions(tmp_path / "svids")) == MOST_KEPT + 1
        (tmp_path / "svids/.x509-000099").mkdir()
        (tmp_path / "svids/.x509-000100.unfinished").mkdir()
        folder.sweep(now + 3600)
        assert versions(tmp_path / "svids") == [(tmp_path / "svids/current").readlink().name]


def test_an_unsafe_folder_is_refused(tmp_path: Path) -> None:
    shared, good = tmp_path / "shared", tmp_path / "good"
    shared.mkdir()
    good.mkdir(mode=0o700)
    for mode in (0o777, 0o1777, 0o770):
        shared.chmod(mode)
        with pytest.raises(SinkSettingsError, match="written by others"), opened(shared):
            pass
    shared.chmod(0o777)
    with pytest.raises(SinkSettingsError, match="written by others"), opened(shared / "below"):
        pass
    shared.chmod(0o1777)
    with opened(shared / "below"):
        pass
    link = tmp_path / "link"
    link.symlink_to(good, target_is_directory=True)
    (tmp_path / "file").touch()
    for path in (link, tmp_path / "file", tmp_path / "absent/below"):
        with pytest.raises(SinkSettingsError), opened(path):
            pass
    with pytest.raises(SettingsError, match="none of this machine"), opened(good, group="no-such-group"):
        pass
    if os.geteuid() == 0:
        os.chown(good, 12345, 12345)
        with pytest.raises(SinkSettingsError, match="belongs to uid 12345"), opened(good):
            pass


def test_a_second_process_and_a_strangers_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "svids"
    with opened(path) as folder:
        with pytest.raises(SinkUnavailableError, match="held it"), opened(path):
            pass
        (path / "svid.pem").write_text("of spiffe-helper")
        with pytest.raises(SinkSettingsError, match="not made by this program"):
            folder.write_x509(x509_svid())
    assert (path / "svid.pem").read_text() == "of spiffe-helper"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({2: b""}, "none or too many"),
        ({2: b"\x30\x03abc"}, "no certificate that can be read"),
        ({2: b"\x30\x84\xff\xff\xff\xffabc"}, "no certificate that can be read"),
        ({3: b"nonsense"}, "no key that can be read"),
        ({4: b""}, "none or too many"),
        ({1: "spiffe://example.org/other"}, "the leaf is not that of"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(fields: dict[int, Any], words: str) -> None:
    with pytest.raises(BundleError, match=words):
        read_x509_svid(message(fields=fields), Choice(), where="agent")


def test_a_strangers_key_and_no_identity_are_refused() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    key = other.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(BundleError, match="key is not that of the leaf"):
        read_x509_svid(message(fields={3: key}), Choice(), where="agent")
    with pytest.raises(NoSuchIdentityError):
        read_x509_svid(b"", Choice(), where="agent")
