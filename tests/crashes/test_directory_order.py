"""What a loss of power needs and SIGKILL cannot show: the order of writing, syncing and renaming."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crashes.launcher import ROOT, Launcher, clean_environment, running_launchers
from tests.crashes.places import Place
from tests.crashes.reader import Reader, tokens
from tests.crashes.scenarios import SCENARIOS, Scenario
from tests.crashes.steps import Step

KINDS = ("write", "fsync", "rename", "unlink", "mkdir", "rmdir", "fchmod", "fchown", "link")
"""What is compared with the kernel's own view; opening is left out, because it mostly changes nothing."""


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with running_launchers(1) as (started,):
        yield started


@pytest.fixture(params=SCENARIOS, ids=lambda scenario: scenario.name)
def steps(request: pytest.FixtureRequest, launcher: Launcher, tmp_path: Path) -> tuple[Step, ...]:
    """Everything that an undisturbed run does on disk."""
    place = Place(folder=tmp_path / "place", scenario=request.param)
    place.prepare(launcher)
    ran = place.interrupt(launcher)
    assert ran.status == 0, ran.err
    return tuple(step for step in ran.steps if not step.failed)


def test_data_is_on_disk_before_it_has_its_name_and_the_name_before_the_next_document(
    steps: tuple[Step, ...],
) -> None:
    renames = [number for number, step in enumerate(steps) if step.kind == "rename"]
    assert renames
    for number in renames:
        unfinished, final = steps[number].places
        before = [step.kind for step in steps[:number] if step.places[0] == unfinished]
        if "mkdir" not in before:
            assert before[-3:] == ["write", "fchmod", "fsync"], "whole, readable and durable, then renamed"
        else:
            assert "fchmod" in before
        after = steps[number + 1]
        assert (after.kind, after.places) == ("fsync", (str(Path(final).parent),)), "then the name is durable"


def test_a_document_is_never_written_in_place(steps: tuple[Step, ...]) -> None:
    for step in steps:
        if step.kind in {"write", "open", "truncate", "ftruncate"}:
            assert Path(step.places[0]).name.startswith((".spire-oidc-publisher", "#")), step


def test_keys_come_first_and_the_manifest_last(steps: tuple[Step, ...]) -> None:
    order = ["state.json", "keys", "openid-configuration", "spire-oidc-publication.json"]
    renamed = [Path(step.places[1]).name for step in steps if step.kind == "rename"]
    documents = [name for name in renamed if name in order]
    if documents[-1] == order[0] and documents.count(order[0]) > 1:
        documents.pop()  # what it announced is done: nothing is to be replaced any more
    assert documents == sorted(documents, key=order.index)
    assert documents[-1] == order[-1]


def calls_seen_by_the_kernel(place: Place, scenario: Scenario) -> list[str]:
    """Run the installed program as users do, under strace; give what it did below the place."""
    strace = shutil.which("strace")
    record = place.folder / "strace"
    wanted = "write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat"
    command = [
        *(str(strace), "-f", "-y", "-qq", "-s", "0", "-o", str(record)),
        *("-e", f"trace={wanted},rmdir,fchmod,fchown,link,linkat"),
        *(str(Path(sys.executable).parent / "spire-oidc-publisher"), *place.arguments(*scenario.overrides)),
    ]
    ran = subprocess.run(
        command, cwd=ROOT, env=clean_environment(), capture_output=True, timeout=60, check=False
    )
    if not record.exists() or "ptrace" in ran.stderr.decode():
        pytest.skip(f"strace cannot look into a process here: {ran.stderr.decode()[-200:]}")
    assert ran.returncode == 0, ran.stderr
    calls = []
    for line in record.read_text().splitlines():
        found = re.match(r"\d+ +([a-z]+?)(?:at)?(?:64|2)?\((.*)\) += (\d+)", line)
        inside = re.search(rf"<{re.escape(str(place.folder))}/(public|state)", line)
        if found and inside:
            removes_folder = found[1] == "unlink" and "AT_REMOVEDIR" in found[2]
            calls.append("rmdir" if removes_folder else found[1])
    return calls


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace on this machine: nothing to compare")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_no_step_goes_uncounted(scenario: Scenario, launcher: Launcher, tmp_path: Path) -> None:
    """The kernel's own list of what the installed program does equals what the crash tests count."""
    place = Place(folder=tmp_path / "place", scenario=scenario)
    place.prepare(launcher)
    twin = place.copied("twin")
    counted = [step.kind for step in place.interrupt(launcher).steps if not step.failed]
    assert calls_seen_by_the_kernel(twin, scenario) == [kind for kind in counted if kind in KINDS]


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace on this machine: nothing kills by it")
@pytest.mark.parametrize("call", ["fsync", "rename,renameat,renameat2"])
def test_the_installed_program_killed_by_the_kernels_count(
    call: str, launcher: Launcher, tmp_path: Path
) -> None:
    """As the crash tests do, without a line of theirs in the process."""
    prepared = Place(folder=tmp_path / "prepared", scenario=SCENARIOS[1])
    prepared.prepare(launcher)
    for number in (1, 2, 3):
        place = prepared.copied(str(number))
        how = (str(shutil.which("strace")), "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}")
        kill = ("-e", f"inject={call}:signal=SIGKILL:when={number}")
        program = str(Path(sys.executable).parent / "spire-oidc-publisher")
        command = [*how, *kill, program, *place.arguments()]
        with Reader(place.fetch, tokens("one", "two"), must_exist=True):
            ran = subprocess.run(
                command, cwd=ROOT, env=clean_environment(), capture_output=True, timeout=60, check=False
            )
            if "ptrace" in ran.stderr.decode():
                pytest.skip(f"strace cannot look into a process here: {ran.stderr.decode()[-200:]}")
            assert ran.returncode in {-signal.SIGKILL, 128 + signal.SIGKILL}, ran.stderr
            place.assert_repaired(launcher)
