"""Whatever is killed, and whoever reads meanwhile: an old pair or a new one, never a torn one."""

import json
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest

from publisher.gcp.svid_folder_opening import LOCK
from publisher.gcp.svid_names import X509_FILES
from publisher.gcp.x509_svid import X509Svid
from tests.crashes.steps import AFTER, BEFORE, HALF, Point, Tracer
from tests.gcp.svid_reading import NOW, READERS, by_configuration, fits, jwt_svid, opened, x509_svid


def _write_both(path: Path, svid: X509Svid, record: int, point: Point | None) -> None:
    """Be a run in a forked process that dies at that point."""
    Tracer([str(path)], record, point, None).install()
    with opened(path) as folder:
        folder.sweep(NOW.timestamp())
        folder.write_jwt(jwt_svid("new.b.c"))
        folder.write_x509(svid)
        folder.sweep(NOW.timestamp() + 3600)


def _run(path: Path, svid: X509Svid, point: Point | None) -> tuple[int, list[dict[str, Any]]]:
    read_end, write_end = os.pipe()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.close(read_end)
            signal.alarm(60)
            _write_both(path, svid, write_end, point)
            status = 0
        finally:
            os._exit(status)
    os.close(write_end)
    with open(read_end, "rb") as record:  # noqa: PTH123 - a descriptor
        steps = [json.loads(line) for line in record]
    return os.waitpid(pid, 0)[1], steps


# The child of a fork does nothing but this, and ends by `_exit`.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("is_first", [True, False])
def test_a_run_that_is_killed_anywhere_leaves_the_old_or_the_new_and_is_mended(
    tmp_path: Path, is_first: bool
) -> None:
    old, new = x509_svid(), x509_svid()

    def prepared(name: str) -> Path:
        path = tmp_path / name
        if not is_first:
            with opened(path) as folder:
                folder.write_jwt(jwt_svid("old.b.c"))
                folder.write_x509(old)
        return path

    status, steps = _run(prepared("whole"), new, None)
    assert status == 0
    assert len(steps) > 40
    for step in steps:
        for where in (BEFORE, HALF, AFTER) if step["kind"] == "write" else (BEFORE,):
            path = prepared(f"{step['number']}-{where}")
            status, _ = _run(path, new, Point(number=step["number"], where=where))
            assert status == signal.SIGKILL, "the run died there"
            _is_whole(path, old, new, is_first=is_first)
            with opened(path) as folder:
                folder.sweep(NOW.timestamp())
                folder.write_jwt(jwt_svid("next.b.c"))
                folder.write_x509(replace(new, authorities=old.authorities))
                folder.sweep(NOW.timestamp() + 3600)
            assert by_configuration(path) == (b"".join(new.chain), new.key)
            left = sorted(each.name for each in path.iterdir())
            current = (path / "current").readlink().name
            assert left == sorted(
                [LOCK, "current", "jwt_svid.token", current, "certificate_config.json", *X509_FILES]
            )


def _is_whole(path: Path, old: X509Svid, new: X509Svid, *, is_first: bool) -> None:
    if not path.exists():
        assert is_first
        return
    token = path / "jwt_svid.token"
    tokens = {b"new.b.c"} if is_first else {b"old.b.c", b"new.b.c"}
    assert (is_first and not token.exists()) or token.read_bytes() in tokens
    if is_first and not (path / "certificate_config.json").exists():
        return
    pairs = [(b"".join(each.chain), each.key) for each in (old, new)]
    for read in READERS:
        assert tuple(part.strip() for part in read(path)) in [
            tuple(part.strip() for part in pair) for pair in pairs
        ]


def _write_often(path: str, stop: Event) -> None:
    svids = [x509_svid() for _ in range(5)]
    number = 0
    with opened(Path(path)) as folder:
        while not stop.is_set():
            number += 1
            folder.write_x509(svids[number % len(svids)])
            folder.write_jwt(jwt_svid(f"{'x' * (number % 7 * 500)}.b.c"))
            folder.sweep(datetime.now(UTC).timestamp())


def test_no_reader_ever_sees_a_torn_pair_under_load(tmp_path: Path) -> None:
    path = tmp_path / "svids"
    with opened(path) as folder:
        folder.write_x509(x509_svid())
        folder.write_jwt(jwt_svid())
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    writer = context.Process(target=_write_often, args=(str(path), stop))
    writer.start()
    try:
        seen: set[bytes] = set()
        rounds, end = 0, time.monotonic() + 60
        # The writer is a new interpreter: it may take seconds until it writes at all.
        while (rounds < 1500 or len(seen) <= 3) and time.monotonic() < end:
            rounds += 1
            for read in READERS:
                try:
                    pair = read(path)
                except FileNotFoundError:
                    # More than eight versions came while this reader slept: a hundred times what agents do.
                    continue
                assert fits(*pair)
                seen.add(pair[1])
            assert (path / "jwt_svid.token").read_bytes().endswith(b".b.c")
    finally:
        stop.set()
        writer.join(60)
    assert writer.exitcode == 0
    assert len(seen) > 3, "it did rotate"
