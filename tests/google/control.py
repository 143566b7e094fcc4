"""The control socket: one JSON line asks, one JSON line answers, and nobody is asked for a permission."""

import json
import socketserver
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.google import iam_pools
from tests.google.errors import RefusedError, not_found
from tests.google.faults import Fault, Kind
from tests.google.iam_pools import Call
from tests.google.journal import Journal
from tests.google.services import Services

_LONGEST_LINE = 8 << 20
_GRANTED = "ya29.a"


class Control:
    """Answer `{"do": NAME, ...arguments}` with `{"result": ...}` or `{"error": sentence}`."""

    def __init__(self, services: Services, journal: Journal, path: Path) -> None:
        self._services, self._state, self._journal = services, services.state, journal
        self._commands = self._named()
        control = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline(_LONGEST_LINE)
                self.wfile.write(json.dumps(control.answer(line)).encode() + b"\n")

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            request_queue_size = 64

        threading.Thread(target=Server(str(path), Handler).serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, line: bytes) -> Mapping[str, Any]:
        """Run one command; whatever is wrong with it comes back as an error."""
        try:
            request = json.loads(line)
            command = self._commands[request.pop("do")]
            with self._state.lock:
                return {"result": command(**request)}
        except RefusedError as refused:
            return {"error": str(refused), "status": refused.status}
        except (ValueError, TypeError, KeyError, AttributeError, LookupError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def _named(self) -> dict[str, Callable[..., Any]]:
        state, journal, clock = self._state, self._journal, self._state.clock
        return {
            "create_project": lambda number, project_id: state.projects.update({number: project_id}),
            "create": self._create,
            "patch": self._patch,
            "show": self._show,
            "set": self._set,
            "create_account": self._create_account,
            "bind": lambda resource, role, member: state.bindings.add((resource, role, member)),
            "unbind": lambda resource, role, member: state.bindings.discard((resource, role, member)),
            "bindings": lambda: sorted(state.bindings),
            "token": self._token,
            "peek": lambda token: self._services.describe(state.tokens[token]),
            "revoke": lambda token: state.tokens.pop(token, None) and None,
            "put_object": lambda bucket, name, content: state.objects.update(
                {(bucket, name): bytes.fromhex(content)}
            ),
            "issuer_at": lambda origin, place, ca_file: state.origins.update({origin: (place, ca_file)}),
            "issuer_gone": lambda origin: state.origins.pop(origin, None) and None,
            "configure": state.configure,
            "fail_operations": lambda code, message, times: state.failures.extend(
                [{"code": code, "message": message}] * times
            ),
            "now": clock.now,
            "advance": clock.advance,
            "inject": lambda **fault: journal.inject(Fault(**{**fault, "kind": Kind(fault["kind"])})),
            "clear_faults": journal.clear_faults,
            "journal": journal.entries,
            "count": journal.count,
            "connections": lambda: journal.connections,
            "forget": journal.forget,
            "reset": self._reset,
        }

    def _create(self, parent: str, collection: str, given: str, body: dict[str, Any]) -> str:
        if parent.startswith("projects/"):
            self._state.project_number(parent.split("/")[1])
        kind = "workloadIdentityPool" + ("" if collection == "workloadIdentityPools" else "Provider")
        call = Call(method="POST", path="", query={f"{kind}Id": given}, body=body)
        iam_pools.create(self._state, call, parent, collection, free=True)
        return f"{parent}/{collection}/{given}"

    def _patch(self, name: str, mask: str, body: dict[str, Any]) -> None:
        call = Call(method="PATCH", path=name, query={"updateMask": mask}, body=body)
        iam_pools.patch(self._state, call, name, free=True)

    def _show(self, name: str) -> dict[str, Any]:
        if name not in self._state.resources:
            raise not_found()
        return self._state.resources[name].shown

    def _set(self, name: str, **members: Any) -> None:
        self._state.store(name, {**self._show(name), **members})

    def _create_account(self, email: str) -> str:
        unique = f"1{len(self._state.accounts):020d}"
        return self._state.accounts.setdefault(email, unique)

    def _token(self, member: str, scopes: list[str], lifetime: float) -> str:
        return self._state.issue(member, (), scopes, lifetime, _GRANTED)

    def _reset(self) -> None:
        self._state.forget()
        self._services.keys.forget()
        self._journal.forget()
        self._journal.clear_faults()
