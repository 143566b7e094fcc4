"""The real program while somebody swaps what it works on for links, at every step; and under every umask."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crashes.launcher import Launcher, each, running_launchers
from tests.crashes.places import LOCK, STATE_LOCK, Place
from tests.crashes.reader import Reader, tokens
from tests.crashes.scenarios import SCENARIOS, TAMPERING
from tests.crashes.steps import BEFORE, Point, points

FIRST, ROTATION = SCENARIOS[:2]
SERVICE = 65534
OWNER_BITS = 0o700
UMASKS = (
    *(0, 0o001, 0o002, 0o004, 0o007, 0o010, 0o020, 0o022, 0o027, 0o040, 0o070, 0o077),
    *(0o100, 0o200, 0o400, 0o777),
)
"""Every bit, and every combination that people use."""

ATTACKS = {
    "well-known": "mv .well-known moved; ln -s {elsewhere} .well-known",
    "document": "ln -sfT {elsewhere}/keys keys",
    "dangling document": "ln -sfT {elsewhere}/new keys",
    "unfinished document": "ln -sfT {elsewhere}/keys .spire-oidc-publisher.keys.unfinished",
    "unfinished folder": "ln -sfT {elsewhere} .spire-oidc-publisher..well-known.unfinished",
    "lock": "ln -sfT {elsewhere}/keys .spire-oidc-publisher.lock",
    "state file": "ln -sfT {elsewhere}/keys ../state/state.json",
    "unfinished state file": "ln -sfT {elsewhere}/keys ../state/.spire-oidc-publisher.state.json.unfinished",
}


@pytest.fixture(scope="module")
def launchers() -> Iterator[list[Launcher]]:
    with running_launchers(4) as started:
        yield started


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that a user without rights can reach, which pytest's own folders are not."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_link_is_followed_whenever_it_appears(
    attack: str, launchers: list[Launcher], tmp_path: Path
) -> None:
    scenario = FIRST if attack in {"lock", "unfinished folder", "well-known"} else ROTATION  # who makes it
    prepared = Place(folder=tmp_path / "prepared", scenario=scenario)
    prepared.prepare(launchers[0])
    steps = prepared.copied("counted").interrupt(launchers[0]).steps

    def swap_at(launcher: Launcher, point: Point) -> None:
        place = prepared.copied(str(point.number))
        elsewhere = place.folder / "elsewhere"
        elsewhere.mkdir()
        for name in ("keys", "openid-configuration", "spire-oidc-publication.json"):
            (elsewhere / name).write_bytes(b"precious")
        command = f"cd {place.public} && {ATTACKS[attack].format(elsewhere=elsewhere)}"
        for ran in (place.interrupt(launcher, point, command=command), place.run(launcher)):
            assert ran.status in {0, 75, 78}, ran.err
            assert "Traceback" not in ran.err
            assert "unexpected" not in ran.err
            assert {one.name for one in elsewhere.iterdir()} == {
                *("keys", "openid-configuration", "spire-oidc-publication.json")
            }, "made through a link"
            assert {one.read_bytes() for one in elsewhere.iterdir()} == {b"precious"}, (
                "written through a link"
            )
        if (place.public / "keys").is_symlink() or (place.public / ".well-known").is_symlink():
            assert ran.status == 78
            assert "link" in ran.err

    each(launchers, [Point(number=step.number, where=BEFORE) for step in steps], swap_at)


@pytest.mark.parametrize("uid", [None, SERVICE])
def test_modes_are_the_same_under_every_umask(
    uid: int | None, launchers: list[Launcher], open_to_all: Path
) -> None:
    if uid is not None and os.geteuid() != 0:
        pytest.skip("only root can be another user")

    def publish_under(launcher: Launcher, umask: int) -> None:
        place = Place(folder=open_to_all / f"{umask:o}", scenario=FIRST, umask=umask, uid=uid)
        place.prepare(launcher)
        place.folder.chmod(0o755)
        ran = place.run(launcher)
        if umask & OWNER_BITS and (uid or os.geteuid()):
            # Nothing can be made in a folder that its own maker may not enter: said, and nothing is left.
            assert ran.status in {0, 78}, ran.err
        else:
            assert ran.status == 0, ran.err
        expected = {".well-known": 0o755, LOCK: 0o600, "keys": 0o644}
        expected |= {".well-known/openid-configuration": 0o644}
        expected |= {".well-known/spire-oidc-publication.json": 0o644}
        found = {
            str(one.relative_to(place.public)): stat.S_IMODE(one.stat().st_mode)
            for one in place.public.rglob("*")
        }
        assert found.items() <= expected.items(), found
        assert found == expected or ran.status
        kept = {one.name: stat.S_IMODE(one.stat().st_mode) for one in place.state.parent.iterdir()}
        assert kept == {"state.json": 0o644, STATE_LOCK: 0o600}

    each(launchers, UMASKS, publish_under)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users")
def test_a_killed_run_of_root_leaves_nothing_that_the_services_user_cannot_repair(
    launchers: list[Launcher], open_to_all: Path
) -> None:
    prepared = Place(folder=open_to_all / "prepared", scenario=FIRST, uid=SERVICE)
    prepared.prepare(launchers[0])
    steps = prepared.copied("counted").interrupt(launchers[0], uid=None).steps
    assert "fchown" in {step.kind for step in steps}

    def kill_at(launcher: Launcher, point: Point) -> None:
        place = prepared.copied(f"{point.number}-{point.where}")
        assert place.interrupt(launcher, point, uid=None).killed
        place.assert_repaired(launcher)

    each(launchers, points(steps, twice=False), kill_at)


def test_what_is_left_of_a_killed_run_is_bounded_and_nobodys_crime(
    launchers: list[Launcher], tmp_path: Path
) -> None:
    """The bundle goes back before the next run, which so has no document to write over the left one."""
    prepared = Place(folder=tmp_path / "prepared", scenario=ROTATION)
    prepared.prepare(launchers[0])
    steps = prepared.copied("counted").interrupt(launchers[0]).steps
    valid = tokens(*ROTATION.valid)

    def kill_at(launcher: Launcher, point: Point) -> None:
        place = prepared.copied(f"{point.number}-{point.where}")
        with Reader(place.fetch, valid, must_exist=True):
            assert place.interrupt(launcher, point).killed
            place.has(ROTATION.earlier_bundle.replace(b'"spiffe_sequence": 1', b'"spiffe_sequence": 3'))
            ran = place.run(launcher)
            assert ran.status == 0, ran.err
            assert not TAMPERING & set(ran.codes), ran.err
            left = place.names() & {".spire-oidc-publisher.keys.unfinished"}
            assert len(place.names()) == 3 + len(left), "one unfinished document at the most"
            place.has(ROTATION.bundle.replace(b'"spiffe_sequence": 2', b'"spiffe_sequence": 4'))
            assert place.run(launcher).status == 0
            assert len(place.names()) == 3, "the next document of that name clears it away"

    each(launchers, points(steps, twice=False), kill_at)
