"""The metadata server's protocol: who may ask, what there is, and tokens."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from publisher.gcp.metadata_server import answer
from publisher.gcp.metadata_server.answer import Answer, refusal
from publisher.gcp.metadata_server.connection import Peer
from publisher.gcp.metadata_server.errors import ForbiddenError, NotGivenError, UnavailableError
from publisher.gcp.metadata_server.hosts import is_of_this_machine, is_ours
from publisher.gcp.metadata_server.machine import Machine, accounts_by_name, tree_of
from publisher.gcp.metadata_server.principal import Account, Principal, Principals
from publisher.gcp.metadata_server.query import Query, QueryError
from publisher.gcp.metadata_server.request import Request
from publisher.gcp.metadata_server.seldom import Seldom
from publisher.gcp.metadata_server.tokens import Token, Tokens, Wanted
from publisher.gcp.metadata_server.tree import NOT_FOUND, ROOT, show
from publisher.ports import Clock

LONGEST_ANSWER: Final = 30.0
"""The most seconds of one answer, whatever it waits for."""

_PATH = re.compile(r"[A-Za-z0-9._~@/-]{0,512}", re.ASCII)
_SECRET = re.compile(r"instance/service-accounts/([^/]+)/(token|identity)")
_ABOVE = {
    "/": answer.text("computeMetadata/\n"),  # the ping
    "/computeMetadata/": answer.text("v1/\n"),
    ROOT: refusal(HTTPStatus.MOVED_PERMANENTLY, f"this is a folder: {ROOT}/", f"Location: {ROOT}/"),
}
_PROXIED = ("x-forwarded-for", "forwarded")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataService:
    """Answer requests as a Compute Engine machine's metadata server does.

    `port` is where it listens. `in_thread` runs what may take time outside the event loop.
    """

    machine: Machine
    principals: Principals
    tokens: Tokens
    clock: Clock
    port: int
    in_thread: Callable[[Callable[[], None]], Awaitable[None]]
    seldom: Seldom

    def respond(self, request: Request, peer: Peer) -> Answer | Awaitable[Answer]:
        """Answer one request, at once where nothing has to be waited for; raise nothing."""
        try:
            reply = self._respond(request, peer)
        except NotGivenError as error:
            return self._not_given(error)
        except QueryError as error:
            return refusal(HTTPStatus.BAD_REQUEST, str(error))
        except Exception as error:  # noqa: BLE001 (the last net: no traceback with somebody's token)
            return _unexpected(error)
        return reply if isinstance(reply, Answer) else self._caught(reply)

    def _respond(self, request: Request, peer: Peer) -> Answer | Awaitable[Answer]:  # noqa: PLR0911 (one each)
        refused = self._gate(request, peer)
        if refused is not None:
            return refused
        if request.path in _ABOVE:
            return _ABOVE[request.path]
        path = _path_of(request)
        if path is None:
            return NOT_FOUND
        secret = _SECRET.fullmatch(path)
        if request.method != "GET" and not (request.method == "POST" and secret and secret[2] == "token"):
            return refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"no {request.method} here", "Allow: GET")
        query = Query.parse(request.query)
        if not (path.startswith("instance") or (path == "" and query.view.recursive)):
            return show(tree_of(self.machine, None), path, query.view)
        principal = self.principals.of(peer)
        if isinstance(principal, Principal):
            return self._instance(path, query, secret, principal)
        return self._later(path, query, secret, principal)

    async def _later(
        self, path: str, query: Query, secret: re.Match[str] | None, finding: Awaitable[Principal]
    ) -> Answer:
        principal = await finding
        try:
            reply = self._instance(path, query, secret, principal)
            return reply if isinstance(reply, Answer) else await reply
        finally:
            principal.release()

    def _gate(self, request: Request, peer: Peer) -> Answer | None:
        """Refuse other machines, and who could be their tool: a page led here by a name, a proxy, a form."""
        if not is_of_this_machine(peer.remote[0], peer.local[0]):
            return refusal(HTTPStatus.FORBIDDEN, "this server is for the machine that it runs on alone")
        if not is_ours(request.headers["host"], self.port):
            return refusal(HTTPStatus.MISDIRECTED_REQUEST, "this server is not known under that Host")
        if any(name in request.headers for name in _PROXIED):
            return refusal(HTTPStatus.FORBIDDEN, "a request that was forwarded (X-Forwarded-For) is refused")
        # The ping tells nothing, and Google's server answers it without the header, too.
        if request.path != "/" and request.headers.get("metadata-flavor") != "Google":
            return refusal(HTTPStatus.FORBIDDEN, "the header Metadata-Flavor: Google is missing")
        if request.path in _ABOVE and request.method != "GET":
            return refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"no {request.method} here", "Allow: GET")
        return None

    def _instance(
        self, path: str, query: Query, secret: re.Match[str] | None, principal: Principal
    ) -> Answer | Awaitable[Answer]:
        if secret is None:
            return show(tree_of(self.machine, principal), path, query.view)
        account = accounts_by_name(principal).get(secret[1])
        if account is None:  # another's service account is as unknown here as one that does not exist
            return NOT_FOUND
        if secret[2] == "token":
            wanted = Wanted(account=account.email, scopes=query.scopes(self.machine.scopes))
            return self._token(account, wanted, principal, self._access_token)
        if account.email is None:
            return refusal(
                HTTPStatus.NOT_FOUND,
                "a federated identity has no id tokens of Google: set a service account for it",
            )
        wanted = Wanted(account=account.email, audience=query.audience, full=query.full)
        return self._token(account, wanted, principal, lambda token: answer.text(token.value))

    def _token(
        self, account: Account, wanted: Wanted, principal: Principal, show_token: Callable[[Token], Answer]
    ) -> Answer | Awaitable[Answer]:
        found = self.tokens.find(account.identity, wanted, account.subject)
        if isinstance(found, Token):
            return show_token(found)
        return self._exchanged(found, principal, show_token)

    async def _exchanged(
        self, exchange: Awaitable[Token], principal: Principal, show_token: Callable[[Token], Answer]
    ) -> Answer:
        token = await exchange
        if principal.confirm is not None:  # an exchange takes time: whoever asked may be another by now
            await self.in_thread(principal.confirm)
        return show_token(token)

    def _access_token(self, token: Token) -> Answer:
        left = int((token.expires - self.clock.now()).total_seconds())
        return answer.document(
            {"access_token": token.value, "expires_in": max(left, 0), "token_type": "Bearer"}
        )

    async def _caught(self, reply: Awaitable[Answer]) -> Answer:
        try:
            async with asyncio.timeout(LONGEST_ANSWER):
                return await reply
        except NotGivenError as error:
            return self._not_given(error)
        except QueryError as error:
            return refusal(HTTPStatus.BAD_REQUEST, str(error))
        except TimeoutError:
            return self._not_given(UnavailableError(f"no answer within {LONGEST_ANSWER:.0f} s"))
        except Exception as error:  # noqa: BLE001 (the last net: no traceback with somebody's token)
            return _unexpected(error)

    def _not_given(self, error: NotGivenError) -> Answer:
        """Tell the workload, and the log: a person looks there first. A client that asks on fills no disk."""
        level = logging.WARNING if isinstance(error, ForbiddenError) else logging.ERROR
        if self.seldom.may(error.status, error.alike):
            _LOG.log(level, "%s answered: %s", error.status.value, error.reason)
        fields = ("Retry-After: 1",) if error.status is HTTPStatus.SERVICE_UNAVAILABLE else ()
        return refusal(error.status, error.reason, *fields)


def _path_of(request: Request) -> str | None:
    """Give the path below the root, None where there is nothing. No segment is ever resolved as `..`."""
    path = request.path.replace("%40", "@")  # the one character of an address that libraries encode
    if not path.startswith(f"{ROOT}/"):
        return None
    below = path.removeprefix(f"{ROOT}/")
    return below if _PATH.fullmatch(below) else None


def _unexpected(error: Exception) -> Answer:
    _LOG.error("a mistake in this program: %s", type(error).__name__)
    return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "a mistake in the metadata server; its log has its name")
