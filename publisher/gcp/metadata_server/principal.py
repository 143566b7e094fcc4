"""Who asks: the one identity of this host, or that of the process behind the connection."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final, Protocol

from publisher.gcp.delegated_identity import (
    AgentUnavailableError,
    DelegatedIdentity,
    DelegatedSvid,
    NoIdentityError,
    NotDelegatedError,
    shown,
)
from publisher.gcp.metadata_server.caller import NOT_HERE, Caller, calling
from publisher.gcp.metadata_server.connection import Peer
from publisher.gcp.metadata_server.errors import ForbiddenError, UnavailableError
from publisher.gcp.metadata_server.identities_file import Identity
from publisher.gcp.metadata_server.socket_diag import find_client
from publisher.quoting import quote

MOST_OF_A_USER: Final = 200
"""The most requests of one user whose process is being looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Hold what one identity can be here.

    `identity` names it among all whose tokens are kept. `email` None is the federated identity itself.
    `subject` gives its JWT-SVID; it may take time, and raises `NotGivenError`.
    """

    identity: str
    email: str | None
    subject: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Hold who asks: its accounts, the default first, and how to make sure that it is still the same.

    `confirm` may take time, and raises `NotGivenError`; None where nothing can have changed. `release` lets
    go of what is held for it, once the request is answered.
    """

    accounts: tuple[Account, ...]
    confirm: Callable[[], None] | None = None
    release: Callable[[], None] = lambda: None


class Principals(Protocol):
    """Find who asks."""

    def of(self, peer: Peer) -> Principal | Awaitable[Principal]:
        """Find who is behind a connection now, at once or by waiting.

        Raises:
            NotGivenError: nobody, or nobody with an identity.

        """
        ...


@dataclass(frozen=True, slots=True)
class OnePrincipal:
    """Give everybody on this host the same identity: that of the metadata server itself."""

    principal: Principal

    def of(self, _peer: Peer) -> Principal:
        """Give it."""
        return self.principal


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerPrincipals:
    """Give each process its own identity, as SPIRE's agent knows it at this very request.

    Nothing is remembered from one request to the next: a process can change its user, run another program, or
    hand its connection on.
    """

    agent: DelegatedIdentity
    audience: str
    identities: Mapping[str, Identity]
    find_holders: Callable[[int, int], frozenset[int]]
    in_thread: Callable[[Callable[[], Principal]], Awaitable[Principal]]
    asking: Counter[int] = field(default_factory=Counter)

    async def of(self, peer: Peer) -> Principal:
        """Find the process, then its identities, then make sure that it was that process all the time.

        That takes a thread and the agent's time, so no user may have more than some requests of it at once.
        """
        client = find_client(peer.remote, peer.local)  # microseconds
        if client is None:
            raise ForbiddenError(NOT_HERE)
        if self.asking[client.uid] >= MOST_OF_A_USER:
            raise UnavailableError(
                f"more than {MOST_OF_A_USER} requests of this user are under way; try again"
            )
        self.asking[client.uid] += 1
        try:
            return await self.in_thread(lambda: self.find(peer))
        finally:
            self.asking[client.uid] -= 1
            if not self.asking[client.uid]:
                del self.asking[client.uid]

    def find(self, peer: Peer) -> Principal:
        """Do it in this thread."""
        with ExitStack() as held:
            caller = held.enter_context(calling(peer, self.find_holders))
            svids = self._svids(caller)
            caller.confirm()
            accounts = tuple(
                Account(
                    identity=one.spiffe_id, email=one.service_account, subject=_giving(svids[one.spiffe_id])
                )
                for one in self.identities.values()  # the order of the file: the first is the default
                if one.spiffe_id in svids
            )
            if not accounts:
                raise ForbiddenError(
                    f"no service account is set for {quote(min(svids))}: add an [[identity]] to the file of "
                    "--identities, and restart the metadata server"
                )
            return Principal(
                accounts=accounts,
                confirm=lambda: self._confirm(peer, caller),
                release=held.pop_all().close,  # the processes are held until the answer is ready
            )

    def _svids(self, caller: Caller) -> dict[str, DelegatedSvid]:
        """Fetch the JWT-SVIDs by SPIFFE ID; processes that share a connection must have the same."""
        found: dict[str, DelegatedSvid] | None = None
        for pid in caller.pids:
            one = {svid.spiffe_id: svid for svid in self._fetch(pid, caller)}
            if found is not None and one.keys() != found.keys():
                raise ForbiddenError("this connection is shared by processes of different identities")
            found = one
        assert found  # a caller has at least one process, and the agent answered for it
        return found

    def _fetch(self, pid: int, caller: Caller) -> tuple[DelegatedSvid, ...]:
        try:
            return self.agent.fetch_jwt_svids(pid, self.audience)
        except NoIdentityError as error:
            what = f"of uid {caller.socket.uid}: {shown(error)}"
            raise ForbiddenError(f"process {pid} {what}", alike=f"a process {what}") from error
        except (AgentUnavailableError, NotDelegatedError) as error:
            raise UnavailableError(shown(error)) from error

    def _confirm(self, peer: Peer, caller: Caller) -> None:
        """Make sure, after an exchange that took time, the answer goes to who asked and to nobody else."""
        caller.confirm()
        with calling(peer, self.find_holders) as now:
            if now.pids != caller.pids:
                raise ForbiddenError("the processes behind this connection changed while they waited")


def _giving(svid: DelegatedSvid) -> Callable[[], str]:
    return lambda: svid.token
