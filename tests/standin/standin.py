"""The stand-in as a whole: a server, an agent and the endpoint, each of which can die and come back."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from tests.standin import documents, keys, server_api, workload_api
from tests.standin.agent import Agent, NotIssuedError, Server
from tests.standin.authorities import Authorities, PublishedKey
from tests.standin.endpoint import BundleEndpoint
from tests.standin.minting import mint
from tests.standin.rotation import LifeError

_ROTATE_EVERY = 0.2
_THREADS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Hold where the stand-in listens and how its agent behaves. `sync_interval` 0: only when told."""

    directory: Path
    certificate: Path
    sync_interval: float
    unauthenticated_verifiers: bool

    @property
    def workload_api(self) -> str:
        """Give the address of the Workload API."""
        return f"unix://{self.directory}/agent.sock"

    @property
    def server_api(self) -> str:
        """Give the address of the server API."""
        return f"unix://{self.directory}/server.sock"


class Standin:
    """Run a SPIRE of one server and one agent. Its methods are what the control socket offers."""

    def __init__(self, authorities: Authorities, server: Server, wiring: Wiring) -> None:
        self.authorities = authorities
        self.server = server
        self.wiring = wiring
        self.endpoint = BundleEndpoint(authorities, wiring.certificate)
        self._agent: Agent | None = None
        self._server_grpc: grpc.Server | None = _serve(wiring.server_api, server_api.handlers(authorities))
        self._agent_grpc: grpc.Server | None = None
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self.start_agent()
        self._run_every(_ROTATE_EVERY, self._tick)
        if wiring.sync_interval:
            self._run_every(wiring.sync_interval, self.sync)

    def sync(self) -> None:
        """Let the agent look at its server now; it stops when it does not know that server's key."""
        with self._lock:
            if self._agent and not self._agent.sync():
                self.kill_agent()

    def advance(self, seconds: float) -> None:
        """Live through that much time: a living server rotates and prunes, each at its own moment.

        An agent that syncs by itself follows every step. One that is held back may find at its next sync
        that it knows no key of its server any more, and stop.
        """
        with self._lock:
            end = self.authorities.clock.now() + seconds
            while self.server.alive and (event := self.authorities.next_event()) < end:
                self._live_at(event)
            self._live_at(end)

    def kill_server(self) -> None:
        """Close the server API and the bundle endpoint; the agent lives on."""
        with self._lock:
            self.server.alive = False
            self.endpoint.stop()
            if self._server_grpc:
                self._server_grpc.stop(grace=None).wait()
                self._server_grpc = None

    def start_server(self) -> None:
        """Start the server again at the same addresses, its keys and its datastore kept."""
        with self._lock:
            if self._server_grpc is None:
                self.authorities.tick()
                self.endpoint.start()
                self._server_grpc = _serve(self.wiring.server_api, server_api.handlers(self.authorities))
                self.server.alive = True

    def kill_agent(self) -> None:
        """Close the Workload API; every stream on it ends, every cached JWT-SVID is lost."""
        with self._lock:
            self._agent = None
            if self._agent_grpc:
                self._agent_grpc.stop(grace=None).wait()
                self._agent_grpc = None

    def start_agent(self) -> None:
        """Start an agent that has attested anew.

        Raises:
            LifeError: there is no server to attest to.

        """
        with self._lock:
            if not self.server.alive:
                raise LifeError("an agent cannot attest to a dead server")
            if self._agent_grpc is None:
                allowed = self.wiring.unauthenticated_verifiers
                self._agent = Agent(self.server, unauthenticated_verifiers=allowed)
                self._agent_grpc = _serve(self.wiring.workload_api, workload_api.handlers(self._agent))

    def federate(self, trust_domain: str) -> None:
        """Give the registration entry a bundle of another trust domain, of one new key."""
        key = keys.MAKERS["ec-p256"]().public_key()
        published = PublishedKey(kid=keys.random_kid(), public_key=key, expires_at=0)
        self.server.federated = {**self.server.federated, trust_domain: (published,)}

    def mint(self, spiffe_id: str, audience: list[str], ttl: float) -> str:
        """Give a JWT-SVID straight from the server, past the agent and its cache."""
        return mint(self.authorities, spiffe_id, audience, ttl).token

    def agent_output(self, audience: list[str]) -> str:
        """Give what `spire-agent api fetch jwt -output json` would print.

        Raises:
            LifeError: there is no agent, or it issues nothing.

        """
        agent = self._agent
        if agent is None:
            raise LifeError("no agent is running")
        try:
            minted = agent.jwt_svid("", audience, lambda: True)
        except NotIssuedError as error:
            raise LifeError("no identity issued") from error
        bundles = {f"spiffe://{td}": documents.standard_jwks(found) for td, found in agent.bundles().items()}
        return documents.agent_output(agent.spiffe_id, minted.token, bundles).decode()

    def stop(self) -> None:
        """End everything."""
        self._stopped.set()
        self.kill_agent()
        self.kill_server()

    def _tick(self) -> None:
        if self.server.alive:
            self.authorities.tick()

    def _live_at(self, moment: float) -> None:
        self.authorities.clock.move_to(moment)
        self._tick()
        if self.wiring.sync_interval:
            self.sync()

    def _run_every(self, seconds: float, work: Callable[[], None]) -> None:
        def run() -> None:
            while not self._stopped.wait(seconds):
                work()

        threading.Thread(target=run, daemon=True).start()


def _serve(address: str, handlers: "grpc.GenericRpcHandler[Any, Any]") -> grpc.Server:
    server = grpc.server(ThreadPoolExecutor(_THREADS))
    server.add_generic_rpc_handlers((handlers,))
    server.add_insecure_port(address)
    server.start()
    return server
