import os
import stat
import threading
from pathlib import Path

import pytest

from publisher.errors import PublisherError, SourceUnavailableError
from publisher.metrics_output.output import MetricsOutput
from publisher.metrics_output.textfile import MetricsFile
from publisher.sinks import files
from publisher.use_cases.standing import Standing
from tests import keys
from tests.doubles import NOON
from tests.worlds import World

FAILURE = SourceUnavailableError("workload API", "is away", "wait")
SUCCESS = f'last_success_timestamp_seconds{{publication="a"}} {int(NOON.timestamp())}\n'


def fresh(name: str = "a") -> Standing:
    return Standing(name=name, issuer="https://issuer.example", place="p", started_at=NOON)


def good(name: str = "a") -> Standing:
    return fresh(name).after(World().publish(keys.bundle("one")), at=NOON, seconds=1)


def output(file: Path | None, complaints: list[PublisherError], *, watching: bool = False) -> MetricsOutput:
    return MetricsOutput(version="1", watching=watching, file=file, complain=complaints.append)


@pytest.fixture
def complaints() -> list[PublisherError]:
    return []


def test_the_file_can_be_read_by_anybody_whatever_the_umask(
    tmp_path: Path, complaints: list[PublisherError]
) -> None:
    before = os.umask(0o077)
    try:
        output(tmp_path / "x.prom", complaints).update([good()])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.prom").stat().st_mode) == 0o644
    assert SUCCESS in (tmp_path / "x.prom").read_text()
    # The node exporter reads *.prom: neither lock nor an unfinished file may look so.
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".prom"] == ["x.prom"]
    assert complaints == []


def test_a_failing_run_keeps_when_it_last_worked(tmp_path: Path, complaints: list[PublisherError]) -> None:
    file = tmp_path / "x.prom"
    output(file, complaints).update([good()])
    output(file, complaints).update([fresh().after(FAILURE, at=NOON, seconds=1)])
    text = file.read_text()
    assert SUCCESS in text
    assert 'last_exit_status{publication="a"} 75\n' in text
    assert "rounds_total" not in text


@pytest.mark.parametrize("old", [None, b"", b"\xff\x00garbage\n", b"a" * 100])
def test_a_damaged_or_absent_file_is_replaced(
    tmp_path: Path, complaints: list[PublisherError], old: bytes | None
) -> None:
    file = tmp_path / "x.prom"
    if old is not None:
        file.write_bytes(old)
    output(file, complaints).update([fresh().after(FAILURE, at=NOON, seconds=1)])
    assert "last_exit_status" in file.read_text()
    assert "last_success" not in file.read_text()


def test_a_run_of_one_publication_leaves_the_others(tmp_path: Path, complaints: list[PublisherError]) -> None:
    file = tmp_path / "x.prom"
    output(file, complaints).update([good("a"), good("b")])
    output(file, complaints).update([good("b")], others=True)
    assert SUCCESS in file.read_text()
    output(file, complaints).update([good("b")])
    assert SUCCESS not in file.read_text()


def test_a_watch_that_restarts_knows_when_it_last_worked(
    tmp_path: Path, complaints: list[PublisherError]
) -> None:
    file = tmp_path / "x.prom"
    output(file, complaints, watching=True).update([good()])
    again = output(file, complaints, watching=True)
    assert again.text() == b""
    again.update([fresh()])
    assert SUCCESS in again.text().decode()
    assert 'rounds_total{publication="a"} 0\n' in again.text().decode()
    assert file.read_bytes() == again.text()


def test_a_watch_without_a_file_remembers_by_itself(complaints: list[PublisherError]) -> None:
    served = output(None, complaints, watching=True)
    served.update([good()])
    served.update([fresh().after(FAILURE, at=NOON, seconds=1)])
    assert SUCCESS in served.text().decode()


def test_a_file_that_cannot_be_written_is_told_once_and_the_text_is_there(
    tmp_path: Path, complaints: list[PublisherError]
) -> None:
    folder = tmp_path / "gone"
    served = output(folder / "x.prom", complaints, watching=True)
    served.update([good()])
    served.update([good()])
    assert SUCCESS in served.text().decode()
    (told,) = complaints
    assert str(told).startswith(f"folder of the metrics file '{folder}/x.prom': no such file or directory; ")
    folder.mkdir()
    served.update([good()])
    assert (folder / "x.prom").read_bytes() == served.text()
    folder.rename(tmp_path / "moved")
    served.update([good()])
    assert len(complaints) == 2


def test_neither_a_link_nor_a_pipe_is_replaced(tmp_path: Path, complaints: list[PublisherError]) -> None:
    (tmp_path / "link.prom").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "pipe.prom")
    for name in ("link.prom", "pipe.prom"):
        output(tmp_path / name, complaints).update([good()])
    assert len(complaints) == 2
    assert (tmp_path / "link.prom").is_symlink()
    assert (tmp_path / "pipe.prom").is_fifo()
    assert not (tmp_path / "elsewhere").exists()


def test_another_run_that_keeps_the_file_is_waited_for_and_not_for_ever(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "x.prom")
    folder = files.open_folder(tmp_path)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with files.locked(folder, ".spire-oidc-publisher.x.prom.lock", where="test", wait=lambda: False):
            held.set()
            release.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(30)
        with pytest.raises(PublisherError, match="another publisher held it"):
            file.replace(lambda old: old)
    finally:
        release.set()
        holder.join(30)
        os.close(folder)
    file.replace(lambda old: old + b"now\n")
    assert file.read() == b"now\n"


def test_several_threads_leave_one_whole_text(tmp_path: Path, complaints: list[PublisherError]) -> None:
    shared = output(tmp_path / "x.prom", complaints, watching=True)
    standings = [good(name) for name in "abcd"]
    threads = [threading.Thread(target=lambda: shared.update(standings)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (tmp_path / "x.prom").read_bytes() == shared.text()
    assert complaints == []
