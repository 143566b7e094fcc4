import os
from pathlib import Path

import pytest

from publisher.sources.file_news import FileNews
from tests.unit.sources.listening import Listening, pauses_of

EVERY = 0.02


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "bundle.json"
    path.write_text("one")
    return path


def rewrite(path: Path) -> None:
    path.write_text("two, longer")


def replace(path: Path) -> None:
    new = path.with_suffix(".new")
    new.write_text("one")
    new.rename(path)


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def copy_with_its_times(path: Path) -> None:
    before = path.stat()
    path.write_text("eno")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [rewrite, replace, touch, copy_with_its_times, Path.unlink])
def test_every_change_rings_once(path: Path, change: "object") -> None:
    assert callable(change)
    with Listening(FileNews(str(path), poll_every=EVERY)) as listening:
        assert listening.has_rung(1)
        assert listening.stays_silent(0.1)
        change(path)
        assert listening.has_rung(2)


def test_a_file_that_comes_late_rings_then(path: Path) -> None:
    path.unlink()
    with Listening(FileNews(str(path), poll_every=EVERY)) as listening:
        assert listening.stays_silent(0.1)
        assert listening.rings == 0
        path.write_text("one")
        assert listening.has_rung(1)


def test_a_link_that_is_swapped_as_kubernetes_does(tmp_path: Path) -> None:
    for name in ("..one", "..two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bundle.json").write_text("same")
    data, path = tmp_path / "..data", tmp_path / "bundle.json"
    data.symlink_to("..one")
    path.symlink_to("..data/bundle.json")
    with Listening(FileNews(str(path), poll_every=EVERY)) as listening:
        assert listening.has_rung(1)
        (tmp_path / "..new").symlink_to("..two")
        (tmp_path / "..new").rename(data)
        assert listening.has_rung(2)


def test_it_is_asked_at_its_interval_there_or_not(path: Path) -> None:
    assert pauses_of(FileNews(str(path), poll_every=5), 3) == ([5, 5, 5], 1)
    path.unlink()
    assert pauses_of(FileNews(str(path), poll_every=5), 3) == ([5, 5, 5], 0)


@pytest.mark.parametrize("name", ["nul\0nul", "n" * 1000, "bundle.json/below"])
def test_what_can_be_no_file_is_waited_for(path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert pauses_of(FileNews(str(path.parent / name), poll_every=5), 3) == ([5, 5, 5], 0)
    (record,) = caplog.records
    assert "cannot be looked at" in record.getMessage()
    assert record.getMessage().isprintable()
