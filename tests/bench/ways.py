"""The ways to get a new key to readers: ours, and SPIRE's own where real SPIRE is present."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.emulator.server import Emulator
from tests.peers.peer import PeerOptions, SpirePeer

BUCKET = "rotation"
PUBLIC = "https://storage.googleapis.com"
_STOP_SECONDS = 10.0
_FUNCTION = Path(__file__).parents[2] / "function" / "main.py"


@dataclass(frozen=True, kw_only=True)
class InServer:
    """A bundle publisher within SPIRE's server: `hcl` is its part of `server.conf`."""

    name: str
    url: str
    hcl: str


class Beside(ABC):
    """Be a process beside SPIRE; its JWKS is read at `url`."""

    name: str
    url: str
    _process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self, peer: SpirePeer, folder: Path) -> tuple[str, ...]:
        """Give the command line."""

    def start(self, peer: SpirePeer, environment: Mapping[str, str], folder: Path) -> None:
        """Start it, its log in the folder."""
        with (folder / f"{self.name.replace(' ', '-').replace(',', '')}.log").open("wb") as log:
            self._process = subprocess.Popen(
                self.command(peer, folder),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        """Give its process id."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """Ask it to end, then make it."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
            self._process.kill()
            self._process.wait()


class Watch(Beside):
    """`watch` on one source."""

    def __init__(self, kind: str, emulator: Emulator) -> None:
        self.name = f"watch, {kind}"
        self._kind = kind
        self._place = f"{BUCKET}/watch-{kind}"
        self.url = emulator.public_url(BUCKET, f"watch-{kind}/keys")

    def command(self, peer: SpirePeer, folder: Path) -> tuple[str, ...]:
        """Give the command line."""
        del folder
        socket_of = {"workload-api": peer.workload_api, "server-api": peer.server_api}[self._kind]
        return (
            *(sys.executable, "-m", "publisher", "watch", "--no-verify-url"),
            *("--source", f"{self._kind}:{socket_of}"),
            *("--sink", f"gs://{self._place}", "--issuer", f"{PUBLIC}/{self._place}"),
        )


class Function(Beside):
    """The function on SPIRE's bundle endpoint, without bucket and publisher, as its defaults refresh it."""

    name = "function on the bundle endpoint"

    def __init__(self) -> None:
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}/keys"

    def command(self, peer: SpirePeer, folder: Path) -> tuple[str, ...]:
        """Give the command line; settings are variables."""
        del folder
        settings = {
            "SOURCE": f"bundle-endpoint:{peer.bundle_endpoint}",
            "ISSUER": "https://issuer.example",
            "TRUST_DOMAIN": peer.trust_domain,
            "CA_FILE": str(peer.ca_file),
        }
        return (
            *("env", *(f"SPIRE_OIDC_PUBLISHER_{name}={value}" for name, value in settings.items())),
            *(sys.executable, "-m", "functions_framework", "--source", str(_FUNCTION), "--target", "serve"),
            *("--asgi", "--host", "127.0.0.1", "--port", str(self._port)),
        )


class Provider(Beside):
    """SPIRE's OIDC discovery provider on the Workload API, as its defaults poll it."""

    name = "SPIRE's OIDC discovery provider, Workload API"

    def __init__(self, program: str) -> None:
        self._program = program
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}/keys"

    def command(self, peer: SpirePeer, folder: Path) -> tuple[str, ...]:
        """Write its configuration and give the command line."""
        path = folder / "provider.conf"
        path.write_text(
            'log_level = "error"\ndomains = ["localhost", "127.0.0.1"]\nallow_insecure_scheme = true\n'
            f'insecure_addr = "127.0.0.1:{self._port}"\n'
            f"workload_api {{ socket_path = {json.dumps(peer.workload_api.removeprefix('unix://'))} "
            f"trust_domain = {json.dumps(peer.trust_domain)} }}\n"
        )
        return (self._program, "-config", str(path))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


Way = InServer | Beside


@dataclass(frozen=True, kw_only=True)
class Ways:
    """All ways, and the options of the SPIRE that they are measured on."""

    all: tuple[Way, ...]
    base: PeerOptions

    def options(self, environment: Mapping[str, str]) -> PeerOptions:
        """Give the peer's options: what runs within its server is part of its configuration."""
        plugins = "\n".join(way.hcl for way in self.all if isinstance(way, InServer))
        return replace(self.base, bundle_publishers=plugins, server_environment=dict(environment))


def ways_of(*, real: bool, emulator: Emulator, options: PeerOptions) -> Ways:
    """Give every way that this machine can show."""
    made: list[Way] = [Watch("workload-api", emulator), Watch("server-api", emulator), Function()]
    if real:
        made[:0] = [_own_publisher(emulator), _plugin(emulator)]
        program = shutil.which("oidc-discovery-provider", path=os.environ.get("SPIRE_BIN") or None)
        if program:
            made.append(Provider(program))
    return Ways(all=tuple(made), base=options)


def _own_publisher(emulator: Emulator) -> InServer:
    return InServer(
        name="SPIRE's gcp_cloudstorage publisher (one object)",
        url=emulator.public_url(BUCKET, "spires-own"),
        hcl=f"""
  BundlePublisher "gcp_cloudstorage" {{
    plugin_data {{
      bucket_name = "{BUCKET}"
      object_name = "spires-own"
      format = "jwks"
    }}
  }}""",
    )


def _plugin(emulator: Emulator) -> InServer:
    place = f"{BUCKET}/plugin"
    program = Path(sys.executable).parent / "spire-oidc-publisher"
    return InServer(
        name="plugin in SPIRE's server (three objects, read back)",
        url=emulator.public_url(BUCKET, "plugin/keys"),
        hcl=f"""
  BundlePublisher "oidc" {{
    plugin_cmd = {json.dumps(str(program))}
    plugin_args = ["spire-plugin"]
    plugin_data {{
      sink = "gs://{place}"
      issuer = "{PUBLIC}/{place}"
      verify_url = false
    }}
  }}""",
    )
