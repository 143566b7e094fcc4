"""Put the metadata server together."""

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from publisher.errors import PublisherError
from publisher.gcp import delegated_identity
from publisher.gcp.delegated_identity import DelegatedIdentity
from publisher.gcp.endpoints import Endpoints
from publisher.gcp.identity_choice import Choice
from publisher.gcp.metadata_server.answer import Answer
from publisher.gcp.metadata_server.connection import Limits, Peer
from publisher.gcp.metadata_server.exchange import GoogleExchange, refusal_of
from publisher.gcp.metadata_server.holders import Holders
from publisher.gcp.metadata_server.identities_file import Identity
from publisher.gcp.metadata_server.listener import Listener, bind
from publisher.gcp.metadata_server.machine import Machine
from publisher.gcp.metadata_server.principal import (
    Account,
    CallerPrincipals,
    OnePrincipal,
    Principal,
    Principals,
)
from publisher.gcp.metadata_server.request import Request
from publisher.gcp.metadata_server.seldom import Seldom
from publisher.gcp.metadata_server.service import MetadataService
from publisher.gcp.metadata_server.tokens import Tokens
from publisher.gcp.metadata_server.transport import open_session
from publisher.gcp.provider_name import Provider
from publisher.gcp.workload_svids import agent_at, fetch_jwt_svid
from publisher.ports import Clock, Deadline

EXCHANGES_AT_ONCE: Final = 16
"""How many exchanges with Google run at once; others wait."""

CALLERS_AT_ONCE: Final = 64
"""How many callers are looked for at once; others wait. Those who are share their looks at all processes."""

_T = TypeVar("_T")


class MetadataServer:
    """Be one metadata server, from its socket to its tokens.

    Raises:
        SettingsError: the address cannot be had.

    """

    def __init__(
        self,
        *,
        provider: Provider,
        endpoints: Endpoints,
        machine: Machine,
        listen: tuple[str, int],
        timeout: float,
        clock: Clock,
        limits: Limits | None = None,
    ) -> None:
        self._clock = clock
        self._timeout = timeout
        self._machine = machine
        self._exchanges = ThreadPoolExecutor(EXCHANGES_AT_ONCE, "exchange")
        self._callers = ThreadPoolExecutor(CALLERS_AT_ONCE, "caller")
        self._session = open_session(EXCHANGES_AT_ONCE)
        exchange = GoogleExchange(
            provider=provider, endpoints=endpoints, session=self._session, clock=clock, timeout=timeout
        )
        self._tokens = Tokens(exchange, self._exchanges, clock)
        self._agent: DelegatedIdentity | None = None
        self._service: MetadataService
        sock = bind(*listen)
        self.listener = Listener(sock, self._respond, monotonic=clock.monotonic, limits=limits)

    def serve_one(
        self, *, workload_api: str, choice: Choice, audience: str, service_account: str | None
    ) -> None:
        """Answer everybody as this process, from now on."""
        peer = agent_at(workload_api)

        def subject() -> str:
            try:
                return fetch_jwt_svid(peer, audience, choice, Deadline(self._clock, self._timeout)).token
            except PublisherError as error:
                raise refusal_of(error) from error

        account = Account(identity="", email=service_account, subject=subject)
        self._serve(OnePrincipal(Principal(accounts=(account,))))

    def serve_many(self, *, admin_socket: str, audience: str, identities: dict[str, Identity]) -> None:
        """Answer each process as itself, from now on."""
        self._agent = DelegatedIdentity(
            delegated_identity.agent_at(admin_socket), lambda: Deadline(self._clock, self._timeout)
        )
        self._serve(
            CallerPrincipals(
                agent=self._agent,
                audience=audience,
                identities=identities,
                find_holders=Holders().find,
                in_thread=self._in_thread,
            )
        )

    def close(self) -> None:
        """End within a few seconds; exchanges that hang are left behind."""
        self.listener.close()
        for pool in (self._exchanges, self._callers):
            pool.shutdown(wait=False, cancel_futures=True)
        if self._agent is not None:
            self._agent.close()
        self._session.close()

    def _serve(self, principals: Principals) -> None:
        self._service = MetadataService(
            machine=self._machine,
            principals=principals,
            tokens=self._tokens,
            clock=self._clock,
            port=self.listener.address[1],
            in_thread=self._in_thread,
            seldom=Seldom(self._clock.monotonic),
        )
        self.listener.start()

    def _respond(self, request: Request, peer: Peer) -> Answer | Awaitable[Answer]:
        return self._service.respond(request, peer)

    def _in_thread(self, work: Callable[[], _T]) -> Awaitable[_T]:
        return self.listener.loop.run_in_executor(self._callers, work)
