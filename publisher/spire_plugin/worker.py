"""What works behind the supervisor: the gRPC server of the plugin, at a path that outlives it.

Started as `python -m publisher.spire_plugin.worker INCOMING OUTGOING PATH`, by the supervisor only: two
descriptors of pipes, and where to listen.
"""

import contextlib
import json
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from publisher.spire_plugin.lifeline import PARENT_ENDED, Line, tell_when_parent_ends
from publisher.spire_plugin.socket_folder import remove_folder

# gRPC's C++ core reads this once and would otherwise write lines of its own into the server's log.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc

from publisher import __version__, strict_json
from publisher.errors import PublisherError
from publisher.findings import Finding
from publisher.ports import Deadline, Web
from publisher.settings.targets import PublishTarget
from publisher.spire_plugin import hclog
from publisher.spire_plugin.plugin import Accepted, Around, Plugin
from publisher.spire_plugin.services import Services
from publisher.spire_plugin.settings import PluginSettings
from publisher.use_cases.publish import Adapters
from publisher.use_cases.standing import Standing
from publisher.wiring import SystemClock, Wiring
from publisher.wiring.clients import ClientKeeper, spoiled
from publisher.wiring.logged import LoggedWeb
from publisher.wiring.run import open_provider_client

if TYPE_CHECKING:
    from publisher.spire_plugin.kept_web import KeptWeb

MOST_THREADS = 16
"""How many calls are answered at once; two of them are streams that stay open, in each of few connections."""

_HUNG = 75
_MOST_WEBS = 8
_LOG = logging.getLogger(__name__)


class Worker:
    """Serve the plugin at a path until the supervisor ends, or wants it."""

    def __init__(self, line: Line, path: Path) -> None:
        self._line, self._path = line, path
        self._sending = threading.Lock()
        self._clock = SystemClock()
        self._clients = ClientKeeper(
            self._clock, open_client=_open_client, close=lambda client: client.close()
        )
        self._providers = ClientKeeper(
            self._clock, open_client=open_provider_client, close=lambda client: client.close()
        )
        self._making_webs = threading.Lock()
        self._webs: dict[Path | None, KeptWeb] = {}
        self._writing = threading.Lock()
        self._metrics: dict[Path, Any] = {}
        self._plugin = Plugin(
            Around(
                clock=self._clock,
                open_adapters=self._adapters,
                told=self._write_metrics,
                hung=_end_hung,
                verbose=lambda on: hclog.configure(verbose=on),
            )
        )

    def run(self) -> None:
        """Listen, and stay until the line to the supervisor ends."""
        messages: list[tuple[str, bytes]] | None = []
        while messages == []:  # it may be longer than what is read at once
            messages = self._line.receive()
        for word, rest in messages or ():
            if word == "configure" and rest:
                self._plugin.restore(Accepted(**json.loads(rest)))
        server = self._listen()
        self._send("listening")
        while self._line.receive() is not None:
            pass
        # What is half written is finished by the next worker: nothing is waited for but answers on their way.
        server.stop(0.2).wait(0.4)

    def _listen(self) -> grpc.Server:
        server = grpc.server(
            ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="call"),
            options=[
                ("grpc.max_receive_message_length", strict_json.LARGEST),
                ("grpc.max_concurrent_streams", MOST_THREADS),
                ("grpc.so_reuseport", 0),
            ],
        )
        services = Services(self._plugin, configured=self._accepted, shut_down=self._shut_down)
        server.add_generic_rpc_handlers((services,))
        # Under another name first: at the path there is always a socket, the old one or the new.
        new = self._path.with_suffix(".new")
        server.add_insecure_port(f"unix:{new}".replace("%", "%25"))  # gRPC takes it for a URI
        server.start()
        new.replace(self._path)
        return server

    def _accepted(self, accepted: Accepted) -> None:
        # Unescaped where it may be: the line has a longest message.
        self._send("configured", json.dumps(asdict(accepted), ensure_ascii=False).encode())

    def _shut_down(self) -> None:
        self._send("shutdown")

    def _send(self, word: str, rest: bytes = b"") -> None:
        with self._sending:
            self._line.send(word, rest)

    @contextlib.contextmanager
    def _adapters(
        self, target: PublishTarget, deadline: Deadline, notice: Callable[[Finding], None]
    ) -> Iterator[Adapters]:
        with spoiled(self._clients, deadline) as lease, spoiled(self._providers, deadline) as providers:
            wiring = Wiring(
                clock=self._clock,
                notice=notice,
                take_client=lease.client,
                take_provider_client=providers.client,
            )
            adapters = wiring.adapters(replace(target, verify_url=False))
            yield replace(adapters, web=self._web(target.ca_file)) if target.verify_url else adapters

    def _web(self, ca_file: Path | None) -> Web:
        from publisher.spire_plugin.kept_web import KeptWeb  # noqa: PLC0415 (only where it is wanted)

        with self._making_webs:
            if ca_file not in self._webs:
                if len(self._webs) > _MOST_WEBS:  # of settings that are no more
                    self._webs.clear()
                self._webs[ca_file] = KeptWeb(ca_file, self._clock)
            web = self._webs[ca_file]
            web.refresh()
        return LoggedWeb(web)

    def _write_metrics(self, settings: PluginSettings, standings: list[Standing]) -> None:
        if settings.metrics_file is None:
            return
        from publisher.metrics_output.output import MetricsOutput  # noqa: PLC0415 (only where it is wanted)

        with self._writing:
            if settings.metrics_file not in self._metrics:
                self._metrics = {  # of the present settings only
                    settings.metrics_file: MetricsOutput(
                        version=__version__, watching=True, file=settings.metrics_file, complain=_complain
                    )
                }
            self._metrics[settings.metrics_file].update(standings)


def main(arguments: list[str]) -> NoReturn:
    """Run a worker and end the process, whatever its threads are at."""
    line, path = Line(int(arguments[0]), int(arguments[1])), Path(arguments[2])
    supervisor = os.getppid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they are the supervisor's; see there
    signal.signal(PARENT_ENDED, lambda *_: None if os.getppid() == supervisor else _end(path))
    tell_when_parent_ends()
    hclog.configure(verbose=False)
    _keep_small()
    status = 0
    try:
        Worker(line, path).run()
    except PublisherError as error:
        _LOG.error("%s", error)
        status = int(error.exit_status)
    except Exception as error:  # noqa: BLE001 (the last net: the supervisor starts another one)
        _LOG.error("unexpected %s: the worker cannot serve", type(error).__name__)
        status = 1
    if os.getppid() != supervisor:
        _end(path)
    os._exit(status)


def _end(path: Path) -> NoReturn:
    """End after the supervisor was killed: nobody else is there to remove its folder."""
    remove_folder(str(path.parent))
    os._exit(0)


def _end_hung(text: str) -> None:
    _LOG.error("%s hangs in a library: this worker ends, and another one begins anew", text)
    os._exit(_HUNG)


def _complain(error: PublisherError) -> None:
    _LOG.warning("%s; metrics were not written, publishing goes on", error)


def _open_client() -> Any:
    from publisher.sinks.gcs import open_client  # noqa: PLC0415 (lazy: a directory needs no Google)

    return open_client()


def _keep_small() -> None:
    """Have `requests` do without its guesses of encodings: they take 3 MiB of tables.

    Nothing here needs them: Google answers JSON, and what is no JSON is an error text, read as UTF-8.
    """
    sys.modules.setdefault("charset_normalizer", None)  # type: ignore[arg-type]  # "there is no such module"
    warnings.filterwarnings("ignore", message="Unable to find acceptable character detection")


if __name__ == "__main__":
    main(sys.argv[1:])
