"""The stand-in as a peer: a process of its own, steered over its control socket."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.peers.peer import Ability, PeerError, PeerOptions, SpirePeer

_ROOT = Path(__file__).parents[2]
_START_PATIENCE, _ANSWER_PATIENCE, _STOP_PATIENCE = 30.0, 60.0, 5.0
_LONGEST_ANSWER = 8 * 1024 * 1024


class StandinPeer(SpirePeer):
    """Start a stand-in. It ends with `stop`, or when this process does: its stdin closes."""

    name = "stand-in"
    abilities = frozenset({Ability.MOVE_CLOCK, Ability.SYNC_WHEN_TOLD})

    def __init__(self, options: PeerOptions) -> None:
        self.options = options
        # Below /tmp whatever TMPDIR says: a unix socket's path has at most 107 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="standin-", dir="/tmp"))
        self._log = self.directory / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.standin", *_arguments(options, self.directory)],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        try:
            addresses = self._first_line()
        except BaseException:
            self.stop()
            raise
        self.workload_api = addresses["workload_api"]
        self.server_api = addresses["server_api"]
        self.bundle_endpoint = addresses["bundle_endpoint"]
        self.ca_file = Path(addresses["ca_file"])
        self._control = addresses["control"]

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send one command to the control socket and give its result.

        Raises:
            PeerError: the stand-in refused it.

        """
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWER_PATIENCE)
            connection.connect(self._control)
            connection.sendall(json.dumps({"do": command, **arguments}).encode() + b"\n")
            with connection.makefile("rb") as answers:
                answer = json.loads(answers.readline(_LONGEST_ANSWER))
        if "error" in answer:
            raise PeerError(f"stand-in: {command}: {answer['error']}")
        return answer["result"]

    def authorities(self) -> dict[str, str]:
        found: dict[str, str] = self.ask("show")
        return found

    def prepare(self) -> str:
        return str(self.ask("prepare"))

    def activate(self) -> str:
        return str(self.ask("activate"))

    def taint(self) -> str:
        return str(self.ask("taint"))

    def revoke(self) -> str:
        return str(self.ask("revoke"))

    def mint_at_server(self, *audience: str, ttl: int = 300) -> str:
        return str(self.ask("mint", spiffe_id=self.spiffe_id, audience=list(audience), ttl=ttl))

    def spiffe_bundle(self) -> bytes:
        return str(self.ask("spiffe_bundle")).encode()

    def agent_output(self, audience: str) -> bytes:
        return str(self.ask("agent_output", audience=[audience])).encode()

    def reconfigure(self, **changes: Any) -> None:
        self.ask("configure", **changes)
        self.options = replace(self.options, **changes)

    def forget_keys(self) -> None:
        self.ask("lose_keys")

    def lose_keys_and_datastore(self) -> None:
        self.ask("lose_keys_and_datastore")
        self.kill_agent()
        self.start_agent()

    def kill_server(self) -> None:
        self.ask("kill_server")

    def start_server(self) -> None:
        self.ask("start_server")

    def kill_agent(self) -> None:
        self.ask("kill_agent")

    def start_agent(self) -> None:
        self.ask("start_agent")

    def add_entry(self) -> None:
        self.ask("register", entry=True)

    def remove_entry(self) -> None:
        self.ask("register", entry=False)

    def federate(self, trust_domain: str) -> None:
        """Give the registration entry another trust domain's bundle, of a new key."""
        self.ask("federate", trust_domain=trust_domain)

    def now(self) -> float:
        return float(self.ask("now"))

    def advance(self, seconds: float) -> None:
        self.ask("advance", seconds=seconds)

    def sync(self) -> None:
        self.ask("sync")

    def wait_for_agent(self, timeout: float = 20.0) -> None:
        # No need to wait for the interval: what a sync brings is the same.
        self.sync()
        super().wait_for_agent(timeout)

    def stop(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _first_line(self) -> dict[str, str]:
        # A timer ends a stand-in that says nothing, and with it the read.
        timer = threading.Timer(_START_PATIENCE, self._process.kill)
        timer.start()
        try:
            assert self._process.stdout
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
            timer.join()
        if not line:
            raise PeerError(f"the stand-in did not start: {self._log.read_text()[-500:]}")
        addresses: dict[str, str] = json.loads(line)
        return addresses


def _arguments(options: PeerOptions, directory: Path) -> list[str]:
    given = {
        "--dir": directory,
        "--trust-domain": options.trust_domain,
        "--workload": options.workload,
        "--jwt-issuer": options.jwt_issuer,
        "--key-type": options.key_type,
        "--ca-ttl": options.ca_ttl,
        "--svid-ttl": options.svid_ttl,
        "--sync-interval": options.sync_interval,
    }
    switches = {
        "--allow-unauthenticated-verifiers": options.allow_unauthenticated_verifiers,
        "--no-entry": not options.registered,
        "--no-jwt-svids": not options.jwt_svids,
    }
    return [
        *(word for name, value in given.items() if value is not None for word in (name, str(value))),
        *(word for name in options.federated for word in ("--federated", name)),
        *(name for name, on in switches.items() if on),
    ]
