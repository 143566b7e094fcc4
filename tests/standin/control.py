"""The control socket: one JSON line asks, one JSON line answers. Tests need no gRPC for it."""

import json
import socketserver
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.standin.documents import spiffe_bundle
from tests.standin.rotation import LifeError
from tests.standin.standin import Standin

_LONGEST_LINE = 65536


class Control:
    """Answer `{"do": NAME, ...arguments}` with `{"result": ...}` or `{"error": sentence}`."""

    def __init__(self, standin: Standin, path: Path) -> None:
        self._commands = _commands(standin)
        control = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline(_LONGEST_LINE)
                self.wfile.write(json.dumps(control.answer(line)).encode() + b"\n")

        self._server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, line: bytes) -> Mapping[str, Any]:
        """Run one command; whatever is wrong with it comes back as an error."""
        try:
            request = json.loads(line)
            return {"result": self._commands[request.pop("do")](**request)}
        except (LifeError, ValueError, TypeError, KeyError, AttributeError, OSError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


def _commands(standin: Standin) -> Mapping[str, Callable[..., Any]]:
    authorities, server = standin.authorities, standin.server

    def restart_with(change: Callable[[], None]) -> Callable[[], None]:
        def restart() -> None:
            standin.kill_server()
            change()
            standin.start_server()

        return restart

    def register(entry: bool) -> None:
        server.registered = entry

    def configure(**changes: Any) -> None:
        unknown = changes.keys() - {"jwt_issuer", "key_type", "ca_ttl", "svid_ttl", "jwt_svids"}
        if unknown:
            raise LifeError(f"no such setting: {sorted(unknown)}")
        for name, value in changes.items():
            setattr(authorities.settings, name, value)

    return {
        "show": authorities.show,
        "prepare": authorities.prepare,
        "activate": authorities.activate,
        "taint": authorities.taint,
        "revoke": authorities.revoke,
        "now": authorities.clock.now,
        "advance": standin.advance,
        "configure": configure,
        "register": register,
        "federate": standin.federate,
        "sync": standin.sync,
        "mint": standin.mint,
        "agent_output": standin.agent_output,
        "spiffe_bundle": lambda: spiffe_bundle(authorities.bundle).decode(),
        "lose_keys": restart_with(authorities.lose_keys),
        "lose_keys_and_datastore": restart_with(authorities.lose_keys_and_datastore),
        "kill_server": standin.kill_server,
        "start_server": standin.start_server,
        "kill_agent": standin.kill_agent,
        "start_agent": standin.start_agent,
    }
