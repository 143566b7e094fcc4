"""What a test may ask of a SPIRE, real or not."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NoReturn

from tests.peers import client
from tests.peers.client import CallError, ServerBundle

AGENT_PATIENCE = 20.0
"""Seconds within which an agent must have seen what its server has."""

_POLL = 0.05


class PeerError(Exception):
    """Report a peer that did not start, or refused what was asked of it."""


class Ability(Enum):
    """Name what only one kind of peer can do."""

    MOVE_CLOCK = "move its clock"
    SYNC_WHEN_TOLD = "hold its agent back until it is told to sync"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerOptions:
    """Hold how a peer is set up. Lives and intervals are in seconds.

    `jwt_issuer` None leaves `iss` out of tokens. `registered` False: no registration entry for the tests.
    `federated` names other trust domains whose bundles the entry gets. `jwt_svids` False disables them: an
    empty bundle. `sync_interval` 0 syncs only when told (`Ability.SYNC_WHEN_TOLD`). For a real server only:
    `bundle_publishers`, HCL among its plugins, and `server_environment`, all of its process (None: ours). For
    a real agent only: `authorized_delegates`, SPIFFE IDs that may ask for others at its admin socket.
    """

    trust_domain: str = "example.org"
    workload: str = "/publisher"
    jwt_issuer: str | None = None
    key_type: str = "ec-p256"
    ca_ttl: int = 86400
    svid_ttl: int = 300
    sync_interval: float = 1.0
    federated: tuple[str, ...] = ()
    allow_unauthenticated_verifiers: bool = False
    registered: bool = True
    jwt_svids: bool = True
    bundle_publishers: str = ""
    authorized_delegates: tuple[str, ...] = ()
    server_environment: Mapping[str, str] | None = None


class SpirePeer(ABC):
    """Be a SPIRE server with one agent, whose workload is this very process.

    Addresses stay the same over every restart. Operations return when the server has done them; only
    `wait_for_agent` waits for the agent. Whatever a peer refuses raises `PeerError`.
    """

    name: str
    options: PeerOptions
    abilities: frozenset[Ability]
    directory: Path
    workload_api: str
    server_api: str
    bundle_endpoint: str
    ca_file: Path

    @property
    def trust_domain(self) -> str:
        """Give the bare name of the trust domain."""
        return self.options.trust_domain

    @property
    def spiffe_id(self) -> str:
        """Give the SPIFFE ID of the tests' registration entry."""
        return f"spiffe://{self.trust_domain}{self.options.workload}"

    def need(self, ability: Ability) -> None:
        """Skip the running test, with the reason printed, where the peer has not that ability."""
        if ability not in self.abilities:
            self._cannot(ability)

    def bundle(self) -> ServerBundle:
        """Fetch the bundle from the server API."""
        return client.get_bundle(self.server_api)

    def jwt_bundles(self) -> dict[str, bytes]:
        """Fetch the bundles from the Workload API: JWK Sets by SPIFFE ID of their trust domain."""
        return client.fetch_jwt_bundles(self.workload_api)

    def jwks(self) -> dict[str, Any]:
        """Fetch the own trust domain's JWK Set from the Workload API, parsed."""
        parsed: dict[str, Any] = json.loads(self.jwt_bundles()[f"spiffe://{self.trust_domain}"])
        return parsed

    def mint(self, *audience: str, timeout: float = 10) -> str:
        """Fetch a JWT-SVID through the Workload API: cached in the agent for half of its life."""
        return client.fetch_jwt_svid(self.workload_api, audience, timeout=timeout)[1]

    def wait_for_agent(self, timeout: float = AGENT_PATIENCE) -> None:
        """Wait until the Workload API shows the server's keys; a taint is not to be seen there.

        Raises:
            PeerError: it did not within `timeout` seconds.

        """
        end, last = time.monotonic() + timeout, "nothing yet"
        while time.monotonic() < end:
            try:
                wanted, shown = self.bundle().kids, {key["kid"] for key in self.jwks()["keys"]}
            except CallError as error:
                last = str(error)
            else:
                if wanted == shown:
                    return
                last = f"server has {len(wanted)} keys, agent {len(shown)}"
            time.sleep(_POLL)
        raise PeerError(f"{self.name}: the agent lags after {timeout} s: {last}")

    @abstractmethod
    def authorities(self) -> dict[str, str]:
        """Give this server's authority ids by state: `active`, `prepared`, `old`."""

    @abstractmethod
    def prepare(self) -> str:
        """Add a JWT authority to the bundle; give its id."""

    @abstractmethod
    def activate(self) -> str:
        """Let the prepared authority sign; give its id."""

    @abstractmethod
    def taint(self) -> str:
        """Taint the old authority; give its id."""

    @abstractmethod
    def revoke(self) -> str:
        """Revoke the old, tainted authority; give its id."""

    @abstractmethod
    def mint_at_server(self, *audience: str, ttl: int = 300) -> str:
        """Sign a JWT-SVID for the tests' SPIFFE ID at the server, past the agent and its cache."""

    @abstractmethod
    def spiffe_bundle(self) -> bytes:
        """Give what `spire-server bundle show -format spiffe` prints."""

    @abstractmethod
    def agent_output(self, audience: str) -> bytes:
        """Give what `spire-agent api fetch jwt -output json` prints."""

    @abstractmethod
    def reconfigure(self, **changes: Any) -> None:
        """Restart the server with other options: jwt_issuer, key_type, ca_ttl, svid_ttl, jwt_svids."""

    @abstractmethod
    def forget_keys(self) -> None:
        """Restart the server without its keys, its datastore kept, and leave the agent to itself.

        It knows no key of that server any more, and stops at its next sync.
        """

    def lose_keys(self) -> None:
        """Restart the server without its keys, its datastore kept, and then an agent that trusts it."""
        self.forget_keys()
        self.kill_agent()
        self.start_agent()

    @abstractmethod
    def lose_keys_and_datastore(self) -> None:
        """Restart the server with nothing left, register the tests anew, and restart the agent."""

    @abstractmethod
    def kill_server(self) -> None:
        """End the server at once; its agent lives on."""

    @abstractmethod
    def start_server(self) -> None:
        """Start a server that was killed, with its keys and its datastore."""

    @abstractmethod
    def kill_agent(self) -> None:
        """End the agent at once; the Workload API is gone."""

    @abstractmethod
    def start_agent(self) -> None:
        """Start an agent that was killed; it attests anew, so the server must be alive."""

    @abstractmethod
    def add_entry(self) -> None:
        """Register the tests' process; the agent learns it at a sync."""

    @abstractmethod
    def remove_entry(self) -> None:
        """Remove the tests' registration entry; the agent learns it at a sync."""

    def now(self) -> float:
        """Give the peer's time of day in Unix seconds."""
        return time.time()

    def advance(self, seconds: float) -> None:
        """Let that much time pass (`Ability.MOVE_CLOCK`; else the test is skipped)."""
        self._cannot(Ability.MOVE_CLOCK)

    def sync(self) -> None:
        """Let the agent sync now (`Ability.SYNC_WHEN_TOLD`; else the test is skipped)."""
        self._cannot(Ability.SYNC_WHEN_TOLD)

    @abstractmethod
    def stop(self) -> None:
        """End every process and remove every file of this peer; once is enough, twice does no harm."""

    def _cannot(self, ability: Ability) -> NoReturn:
        # Imported here: the demo uses peers without a test runner.
        import pytest  # noqa: PLC0415

        pytest.skip(f"{self.name} cannot {ability.value}")
