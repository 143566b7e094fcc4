"""Real SPIRE as a peer: one spire-server and one spire-agent as processes, on loopback and unix sockets."""

import base64
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from tests.peers import client
from tests.peers.certificates import write_certificates
from tests.peers.client import CallError
from tests.peers.peer import Ability, PeerError, PeerOptions, SpirePeer
from tests.peers.programs import Daemon, SpirePrograms, run_command
from tests.peers.real_config import Place, agent_conf, free_ports, server_conf

_START_PATIENCE, _POLL, _ATTEMPTS = 20.0, 0.05, 3
_P256_SIZE = 32


class RealPeer(SpirePeer):
    """Run SPIRE itself. Losing keys means deleting the files of its disk key manager or its datastore."""

    abilities: frozenset[Ability] = frozenset()

    def __init__(self, options: PeerOptions, programs: SpirePrograms) -> None:
        if not options.sync_interval:
            self.name = "SPIRE"
            self.need(Ability.SYNC_WHEN_TOLD)
        self.name = f"SPIRE {programs.version} at {programs.server.parent}"
        self.options = options
        self._programs = programs
        # Below /tmp whatever TMPDIR says: a unix socket's path has at most 107 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="spire-", dir="/tmp"))
        self._certificates = write_certificates(self.directory)
        self.ca_file = self._certificates.ca
        self._server: Daemon | None = None
        self._agent: Daemon | None = None
        self._entry: str | None = None
        try:
            self._first_start()
            self._furnish()
            self.start_agent()
        except BaseException:
            self.stop()
            raise
        self.workload_api = f"unix://{self._place.agent_socket}"

    def authorities(self) -> dict[str, str]:
        shown = json.loads(self._command("localauthority", "jwt", "show", "-output", "json"))
        return {state: authority["authority_id"] for state, authority in shown.items()}

    def prepare(self) -> str:
        return self._authority("prepare")

    def activate(self) -> str:
        return self._authority("activate", self.authorities().get("prepared", ""))

    def taint(self) -> str:
        return self._authority("taint", self.authorities().get("old", ""))

    def revoke(self) -> str:
        return self._authority("revoke", self.authorities().get("old", ""))

    def mint_at_server(self, *audience: str, ttl: int = 300) -> str:
        words = [word for each in audience for word in ("-audience", each)]
        return self._command("jwt", "mint", "-spiffeID", self.spiffe_id, "-ttl", f"{ttl}s", *words).strip()

    def spiffe_bundle(self) -> bytes:
        return self._command("bundle", "show", "-format", "spiffe").encode()

    def agent_output(self, audience: str) -> bytes:
        words = ("-socketPath", str(self._place.agent_socket), "-audience", audience, "-output", "json")
        return run_command(self._programs.agent, "api", "fetch", "jwt", *words).encode()

    def reconfigure(self, **changes: Any) -> None:
        self.options = replace(self.options, **changes)
        self.kill_server()
        self.start_server()

    def forget_keys(self) -> None:
        self.kill_server()
        self._place.keys.unlink()
        self.start_server()

    def lose_keys_and_datastore(self) -> None:
        self.kill_server()
        self._place.keys.unlink()
        for path in self.directory.glob(f"{self._place.datastore.name}*"):
            path.unlink()
        self._entry = None
        self.start_server()
        self._furnish()
        self.kill_agent()
        self.start_agent()

    def kill_server(self) -> None:
        if self._server:
            self._server.kill()

    def start_server(self) -> None:
        self.kill_server()
        configuration = self.directory / "server.conf"
        configuration.write_text(server_conf(self.options, self._place, self._certificates))
        log = self.directory / "server.log"
        daemon = Daemon(
            log,
            self._programs.server,
            *("run", "-config", str(configuration)),
            environment=self.options.server_environment,
        )
        self._server = daemon
        self._await("server", daemon, lambda: client.get_bundle(self.server_api, timeout=1))

    def kill_agent(self) -> None:
        if self._agent:
            self._agent.kill()

    def start_agent(self) -> None:
        self.kill_agent()
        shutil.rmtree(self._place.agent_data, ignore_errors=True)
        self._place.trust_bundle.write_text(self._command("bundle", "show"))
        token = json.loads(self._command("token", "generate", "-output", "json", "-spiffeID", self._host_id))[
            "value"
        ]
        configuration = self.directory / "agent.conf"
        configuration.write_text(agent_conf(self.options, self._place))
        log = self.directory / "agent.log"
        daemon = Daemon(log, self._programs.agent, "run", "-config", str(configuration), "-joinToken", token)
        self._agent = daemon
        self._await("agent", daemon, self._ask_agent)

    def add_entry(self) -> None:
        words = [
            "-parentID",
            self._host_id,
            "-spiffeID",
            self.spiffe_id,
            "-selector",
            f"unix:uid:{os.getuid()}",
        ]
        for name in self.options.federated:
            words += ["-federatesWith", f"spiffe://{name}"]
        answer = json.loads(self._command("entry", "create", "-output", "json", *words))
        self._entry = answer["results"][0]["entry"]["id"]

    @property
    def admin_api(self) -> str:
        """Give the agent's admin socket, which is there with `authorized_delegates`."""
        return f"unix://{self._place.admin_socket}"

    def add_workload(self, path: str, uid: int) -> str:
        """Register another workload by its user; give its SPIFFE ID. The agent learns it at a sync."""
        spiffe_id = f"spiffe://{self.trust_domain}{path}"
        selector = f"unix:uid:{uid}"
        self._command(
            *("entry", "create", "-parentID", self._host_id, "-spiffeID", spiffe_id, "-selector", selector)
        )
        return spiffe_id

    def remove_entry(self) -> None:
        if self._entry:
            self._command("entry", "delete", "-entryID", self._entry)
            self._entry = None

    def stop(self) -> None:
        self.kill_agent()
        self.kill_server()
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.rmtree(self.directory.with_name(f"{self.directory.name}-admin"), ignore_errors=True)

    @property
    def _host_id(self) -> str:
        return f"spiffe://{self.trust_domain}/host"

    def _first_start(self) -> None:
        for attempt in range(_ATTEMPTS):
            server_port, endpoint_port = free_ports()
            self._place = Place(
                directory=self.directory, server_port=server_port, endpoint_port=endpoint_port
            )
            self.server_api = f"unix://{self._place.server_socket}"
            self.bundle_endpoint = f"https://127.0.0.1:{endpoint_port}/"
            try:
                self.start_server()
            except PeerError as error:
                if "address already in use" not in str(error) or attempt + 1 == _ATTEMPTS:
                    raise
            else:
                return

    def _furnish(self) -> None:
        """Tell a new datastore what this peer's options ask for."""
        for name in self.options.federated:
            path = self.directory / f"{name}.json"
            path.write_text(_foreign_bundle(name))
            self._command("bundle", "set", "-id", f"spiffe://{name}", "-format", "spiffe", "-path", str(path))
        if self.options.registered:
            self.add_entry()
            # The agent's first sync is answered from the server's cache of entries; see `server_conf`.
            time.sleep(0.4)

    def _ask_agent(self) -> None:
        try:
            client.fetch_jwt_bundles(f"unix://{self._place.agent_socket}", timeout=1)
        except CallError as error:
            # Without entry the agent refuses, and so it runs.
            refused = "PERMISSION_DENIED" in str(error)
            if not refused or self._entry:
                raise

    def _await(self, what: str, daemon: Daemon, ask: Callable[[], object]) -> None:
        end, last = time.monotonic() + _START_PATIENCE, "no answer"
        while time.monotonic() < end and daemon.running:
            try:
                ask()
            except CallError as error:
                last = str(error)
                time.sleep(_POLL)
            else:
                return
        daemon.kill()
        raise PeerError(f"{self.name}: the {what} did not start: {last}: {daemon.last_words()}")

    def _authority(self, verb: str, authority_id: str | None = None) -> str:
        words = () if authority_id is None else ("-authorityID", authority_id)
        answer = json.loads(self._command("localauthority", "jwt", verb, "-output", "json", *words))
        (authority,) = answer.values()
        return str(authority["authority_id"])

    def _command(self, *words: str) -> str:
        return run_command(self._programs.server, *words, "-socketPath", str(self._place.server_socket))


def _foreign_bundle(name: str) -> str:
    """Make a SPIFFE bundle of another trust domain, of one new P-256 key."""
    point = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    x, y = (
        base64.urlsafe_b64encode(number.to_bytes(_P256_SIZE, "big")).rstrip(b"=").decode()
        for number in (point.x, point.y)
    )
    kid = f"key-of-{name}"
    key = {"use": "jwt-svid", "kty": "EC", "kid": kid, "crv": "P-256", "x": x, "y": y}
    return json.dumps({"keys": [key], "spiffe_sequence": 1})
