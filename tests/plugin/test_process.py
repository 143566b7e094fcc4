"""The two processes of the plugin, as SPIRE's server meets them."""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import pytest

from publisher.spire_plugin.lifeline import Line
from publisher.spire_plugin.supervisor import Supervisor
from tests.plugin.conftest import ISSUER, MakeHost
from tests.plugin.host import PROGRAM, Host, is_alive, wait_for_end
from tests.plugin.messages import bundle

HCLOG_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
"""The one layout that go-plugin parses."""


def kids(folder: Path) -> set[str]:
    return {key["kid"] for key in json.loads((folder / "published/keys").read_bytes())["keys"]}


def test_started_by_hand_it_says_what_it_is_for(folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "BundlePublisher"}
    ended = subprocess.run(PROGRAM, env=environment, capture_output=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert ended.stdout == b""
    assert b"spire-plugin-config" in ended.stderr


def test_the_whole_life_of_a_plugin(host: Host, folder: Path) -> None:
    assert host.init() == {
        "spire.plugin.server.bundlepublisher.v1.BundlePublisher",
        "spire.service.common.config.v1.Config",
    }
    assert host.publish(bundle("a", number=1)).ok
    assert kids(folder) == {"a"}
    assert host.publish(bundle("a", "b", number=2)).ok
    assert kids(folder) == {"a", "b"}
    assert host.publish(bundle("a", "b", number=3, tainted="a")).ok
    assert host.publish(bundle("b", number=4)).ok
    assert kids(folder) == {"b"}
    manifest = json.loads((folder / "published/.well-known/spire-oidc-publication.json").read_bytes())
    assert (manifest["source"], manifest["sequence_number"]) == ("spire-plugin", 4)
    assert (manifest["trust_domain"], manifest["issuer"]) == ("example.org", ISSUER)

    worker = host.worker()
    assert host.call("/spire.service.private.init.v1.Init/Deinit").ok
    began = time.monotonic()
    assert host.shut_down().ok, "the answer comes before the end"
    assert host.wait() == 0
    assert time.monotonic() - began < 10
    assert wait_for_end(worker)
    assert not Path(host.path).parent.exists()
    host.close()
    assert host.stdout == [f"1|1|unix|{host.path}|grpc\n".encode()], "nothing else, ever"


def test_only_this_user_enters_the_socket_folder(host: Host) -> None:
    parent = Path(host.path).parent
    assert stat.S_IMODE(parent.stat().st_mode) == 0o700
    assert len(host.path) < 100
    assert {found.name for found in parent.iterdir()} == {"plugin.sock", "lock"}


def test_the_ageing_of_temporary_files_keeps_off(make_host: MakeHost, folder: Path) -> None:
    """systemd-tmpfiles passes over what is locked, and takes a renamed socket for one that nobody uses."""
    host = make_host(environment={"TMPDIR": str(folder)})
    host.shake_hands()
    held = os.open(Path(host.path).parent, os.O_RDONLY)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(held)


def test_settings_that_a_dying_worker_told_of_are_kept() -> None:
    supervisor = Supervisor({})
    (incoming, told), (spare, outgoing) = os.pipe(), os.pipe()
    supervisor._line = Line(incoming, outgoing)
    supervisor._worker = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ)
    os.write(told, b"configured what it said\n")
    os.close(told)
    assert wait_for_end(supervisor._worker)
    supervisor._look_after_worker(time.monotonic())
    os.close(spare)
    assert supervisor._configured == b"what it said"


def test_a_hang_ends_the_worker_for_another_to_begin() -> None:
    program = "from publisher.spire_plugin.worker import _end_hung\n_end_hung('publication one')"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert ended.returncode == 75
    assert b"publication one hangs" in ended.stderr


def test_the_host_chooses_the_socket_folder(make_host: MakeHost, folder: Path) -> None:
    host = make_host(environment={"PLUGIN_UNIX_SOCKET_DIR": str(folder)})
    host.shake_hands()
    assert host.path.startswith(str(folder))


def test_what_killed_plugins_left_is_removed_by_the_next(make_host: MakeHost, folder: Path) -> None:
    environment = {"TMPDIR": str(folder)}
    hosts = [make_host(environment=environment) for _ in range(2)]
    for host in hosts:
        host.shake_hands()
    worker = hosts[0].worker()
    hosts[0].process.send_signal(signal.SIGSTOP)
    os.kill(worker, signal.SIGKILL)
    hosts[0].process.kill()
    hosts[0].wait()
    abandoned, living = (Path(host.path).parent for host in hosts)
    strange, other = folder / "spire-oidc-01234567", folder / "spire-oidc-discovery-provider"
    for one in (strange, other):
        one.mkdir()
    (other / "lock").touch()
    assert abandoned.exists()
    make_host(environment=environment).shake_hands()
    assert not abandoned.exists()
    assert living.exists()
    assert strange.exists(), "without a lock it is not ours to judge"
    assert (other / "lock").exists(), "another program's name"
    assert hosts[1].call("/grpc.health.v1.Health/Check").ok


def test_the_folder_may_have_a_name_that_means_more_in_a_uri(make_host: MakeHost, folder: Path) -> None:
    odd = folder / "a b%41#c"
    odd.mkdir()
    host = make_host(environment={"TMPDIR": str(odd)})
    line = host._lines.get(timeout=30).decode()
    path = line.split("|")[3]
    assert Path(path).parent.parent == odd
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_a_path_too_long_for_a_socket_is_passed_over(make_host: MakeHost, folder: Path) -> None:
    long = folder / ("x" * 90)
    long.mkdir()
    host = make_host(environment={"TMPDIR": str(long)})
    host.shake_hands()
    assert host.path.startswith("/tmp/spire-oidc-")


def test_logs_are_hclog_lines_with_their_members(host: Host) -> None:
    assert host.publish(bundle("a", "b", number=1, tainted="a")).ok
    lines = host.log()
    assert all(HCLOG_TIME.fullmatch(line["@timestamp"]) for line in lines)
    assert {line["@level"] for line in lines} <= {"info", "warn"}
    (taint,) = [line for line in lines if line.get("code") == "SRC002"]
    assert taint["@level"] == "warn"
    assert taint["remedy"].endswith("revoke -authorityID 'a'")
    assert any(line["@message"].startswith("published keys") for line in lines)


def test_an_unchanged_tick_says_and_does_nothing(host: Host, folder: Path) -> None:
    assert host.publish(bundle("a", number=1)).ok
    manifest = folder / "published/.well-known/spire-oidc-publication.json"
    before, said = manifest.stat(), len(host.log())
    for _ in range(5):
        assert host.publish(bundle("a", number=1)).ok
    assert manifest.stat().st_ino == before.st_ino
    assert len(host.log()) == said


class TestTheWorkerDies:
    def test_the_channel_of_the_host_recovers_by_itself(self, host: Host, folder: Path) -> None:
        assert host.publish(bundle("a", number=1)).ok
        for number in range(2, 5):
            worker = host.worker()
            os.kill(worker, signal.SIGKILL)
            assert wait_for_end(worker), "no zombie either"
            assert host.publish_until(bundle("a", f"b{number}", number=number)).ok, host.log_text()
            assert kids(folder) == {"a", f"b{number}"}
        assert host.process.poll() is None
        assert any("SIGKILL" in line["@message"] for line in host.log())

    def test_there_is_a_socket_at_the_path_all_the_while(self, host: Host) -> None:
        seen: list[bool] = []
        stop = threading.Event()

        def look() -> None:
            while not stop.is_set():
                seen.append(Path(host.path).exists())

        thread = threading.Thread(target=look)
        thread.start()
        os.kill(host.worker(), signal.SIGKILL)
        assert host.publish_until(bundle("a", number=1)).ok
        stop.set()
        thread.join()
        assert all(seen)

    def test_at_once_after_configure_the_settings_are_kept(
        self, make_host: MakeHost, plugin_data: str
    ) -> None:
        host = make_host()
        host.start(plugin_data)
        os.kill(host.worker(), signal.SIGKILL)
        assert host.publish_until(bundle("a", number=1)).ok

    def test_settings_longer_than_a_pipe_are_kept_too(
        self, host: Host, folder: Path, plugin_data: str
    ) -> None:
        long = "#" * 200_000
        assert host.configure(f"# {long}\n{plugin_data}\nverbose = true").ok
        os.kill(host.worker(), signal.SIGKILL)
        assert host.publish_until(bundle("a", number=1)).ok, host.log_text()[-2000:]
        assert kids(folder) == {"a"}

    def test_a_stopped_worker_that_reads_nothing_holds_nobody_up(self, host: Host, plugin_data: str) -> None:
        assert host.configure(f"# {'#' * 200_000}\n{plugin_data}").ok
        first = host.worker()
        os.kill(first, signal.SIGKILL)
        assert wait_for_end(first)
        second = host.worker()
        os.kill(second, signal.SIGSTOP)  # before it reads anything: its imports take longer
        time.sleep(0.5)
        host.process.send_signal(signal.SIGTERM)
        assert host.wait() == 0
        assert wait_for_end(second)

    def test_a_refused_configure_is_not_what_is_kept(self, host: Host, folder: Path) -> None:
        assert not host.configure('sink = "nowhere"').ok
        os.kill(host.worker(), signal.SIGKILL)
        assert host.publish_until(bundle("a", number=1)).ok
        assert kids(folder) == {"a"}

    def test_a_folder_that_was_swept_away_is_made_anew(self, host: Host, folder: Path) -> None:
        shutil.rmtree(Path(host.path).parent)
        os.kill(host.worker(), signal.SIGKILL)
        assert host.publish_until(bundle("a", number=1)).ok, host.log_text()
        assert stat.S_IMODE(Path(host.path).parent.stat().st_mode) == 0o700
        assert kids(folder) == {"a"}

    def test_before_it_is_configured(self, make_host: MakeHost, plugin_data: str) -> None:
        host = make_host()
        host.shake_hands()
        os.kill(host.worker(), signal.SIGKILL)
        end = time.monotonic() + 30
        while not (answer := host.configure(plugin_data)).ok and time.monotonic() < end:
            time.sleep(0.1)
        assert answer.ok
        assert host.publish(bundle("a", number=1)).ok

    def test_an_edited_file_counts_when_spire_configures_and_not_before(
        self, make_host: MakeHost, folder: Path
    ) -> None:
        file = folder / "publisher.toml"
        good = f'issuer = "{ISSUER}"\nsink = "{folder}/published"\nverify_url = false\n'
        file.write_text(good)
        host = make_host()
        host.start(f'config_file = "{file}"')
        file.write_text("nonsense = 1\n")
        worker = host.worker()
        os.kill(worker, signal.SIGKILL)
        assert wait_for_end(worker)
        assert host.publish_until(bundle("a", number=1)).ok, "by what was judged"
        assert kids(folder) == {"a"}
        answer = host.configure(f'config_file = "{file}"')
        assert (answer.code, "nonsense" in answer.text) == (grpc.StatusCode.INVALID_ARGUMENT, True)


class TestTheServerDies:
    @pytest.fixture
    def orphan(self, make_host: MakeHost, plugin_data: str) -> tuple[Host, int, int]:
        """A plugin whose parent is a process of its own, which can be killed."""
        # The parent hands its own pipes on, starts the plugin, says its number, and waits.
        parent = (
            "import os, subprocess, sys, time\n"
            f"p = subprocess.Popen({list(PROGRAM)!r})\n"
            "print(p.pid, file=sys.stderr, flush=True)\n"
            "time.sleep(600)\n"
        )
        host = make_host(command=(sys.executable, "-c", parent))
        host.shake_hands()
        supervisor = int(host.log_text().split()[0])
        assert host.configure(plugin_data).ok
        (worker,) = [
            int(pid) for pid in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
        ]
        return host, supervisor, worker

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    def test_both_processes_go_with_it(self, orphan: tuple[Host, int, int], number: signal.Signals) -> None:
        host, supervisor, worker = orphan
        host.process.send_signal(number)
        assert wait_for_end(supervisor)
        assert wait_for_end(worker)
        assert not Path(host.path).parent.exists()

    def test_a_killed_supervisor_takes_its_worker_along(self, host: Host) -> None:
        worker = host.worker()
        host.process.kill()  # as SPIRE's own insurance does: it sets the parent's death signal to SIGKILL
        assert wait_for_end(worker)
        assert not Path(host.path).parent.exists()

    def test_a_hangup_is_not_the_end(self, host: Host) -> None:
        host.process.send_signal(signal.SIGHUP)
        assert host.publish(bundle("a", number=1)).ok
        assert host.process.poll() is None

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_ends_it_with_time_for_the_shutdown(self, host: Host, number: signal.Signals) -> None:
        worker = host.worker()
        os.kill(worker, number)
        host.process.send_signal(number)
        assert host.publish(bundle("a", number=1)).ok, "the server is still there, and may want something"
        assert host.wait() == 0
        assert not is_alive(worker)

    def test_a_second_signal_ends_it_now(self, host: Host) -> None:
        host.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        host.process.send_signal(signal.SIGTERM)
        assert host.wait(2.9) == 0

    def test_the_signal_of_another_thread_s_end_is_none(self, host: Host) -> None:
        # The kernel sends it when the thread ends that started us; Go may end one whose process lives on.
        worker = host.worker()
        host.process.send_signal(signal.SIGUSR1)
        os.kill(worker, signal.SIGUSR1)
        assert host.publish(bundle("a", number=1)).ok
        assert host.worker() == worker
