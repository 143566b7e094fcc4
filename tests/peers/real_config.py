"""Configuration files of a real SPIRE that lives in one folder and listens on loopback only."""

import json
import socket
from dataclasses import dataclass
from pathlib import Path

from tests.peers.certificates import Certificates
from tests.peers.peer import PeerOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Hold where one real SPIRE keeps its files and listens."""

    directory: Path
    server_port: int
    endpoint_port: int

    @property
    def server_socket(self) -> Path:
        """Give the server API's socket."""
        return self.directory / "server.sock"

    @property
    def agent_socket(self) -> Path:
        """Give the Workload API's socket."""
        return self.directory / "agent.sock"

    @property
    def admin_folder(self) -> Path:
        """Give the folder of the agent's admin socket, which must not be below that of its other socket."""
        return self.directory.with_name(f"{self.directory.name}-admin")

    @property
    def admin_socket(self) -> Path:
        """Give the socket of the agent's Delegated Identity API."""
        return self.admin_folder / "admin.sock"

    @property
    def keys(self) -> Path:
        """Give the file of the server's disk key manager."""
        return self.directory / "keys.json"

    @property
    def datastore(self) -> Path:
        """Give the server's sqlite file."""
        return self.directory / "datastore.sqlite3"

    @property
    def agent_data(self) -> Path:
        """Give the agent's folder, made anew at each of its starts."""
        return self.directory / "agent-data"

    @property
    def trust_bundle(self) -> Path:
        """Give the file by which the agent first knows its server."""
        return self.directory / "bootstrap.pem"


def free_ports() -> tuple[int, int]:
    """Find two free ports of loopback. Another process may take them before they are used: try again."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def server_conf(options: PeerOptions, place: Place, certificates: Certificates) -> str:
    """Write `server.conf`: keys and datastore on disk, join tokens, an https_web bundle endpoint."""
    issuer = f"jwt_issuer = {_quoted(options.jwt_issuer)}" if options.jwt_issuer else ""
    return f"""
server {{
  bind_address = "127.0.0.1"
  bind_port = "{place.server_port}"
  trust_domain = {_quoted(options.trust_domain)}
  data_dir = {_quoted(place.directory / "server-data")}
  socket_path = {_quoted(place.server_socket)}
  log_level = "INFO"
  ca_ttl = "{options.ca_ttl}s"
  jwt_key_type = {_quoted(options.key_type)}
  default_jwt_svid_ttl = "{options.svid_ttl}s"
  disable_jwt_svids = {json.dumps(not options.jwt_svids)}
  {issuer}
  federation {{
    bundle_endpoint {{
      address = "127.0.0.1"
      port = {place.endpoint_port}
      profile "https_web" {{
        serving_cert_file {{
          cert_file_path = {_quoted(certificates.chain)}
          key_file_path = {_quoted(certificates.key)}
          # SPIRE's documentation has a default for it; without it the server does not start.
          file_sync_interval = "1h"
        }}
      }}
    }}
  }}
  experimental {{
    # How soon an agent is told of a new registration entry.
    cache_reload_interval = "200ms"
  }}
}}
plugins {{
  DataStore "sql" {{
    plugin_data {{
      database_type = "sqlite3"
      connection_string = {_quoted(place.datastore)}
    }}
  }}
  KeyManager "disk" {{
    plugin_data {{ keys_path = {_quoted(place.keys)} }}
  }}
  NodeAttestor "join_token" {{
    plugin_data {{}}
  }}
{options.bundle_publishers}
}}
"""


def agent_conf(options: PeerOptions, place: Place) -> str:
    """Write `agent.conf`: it knows the server by the bootstrap file, and a workload by its uid."""
    delegates = json.dumps(list(options.authorized_delegates))
    admin = f"admin_socket_path = {_quoted(place.admin_socket)}\n  authorized_delegates = {delegates}"
    return f"""
agent {{
  server_address = "127.0.0.1"
  server_port = "{place.server_port}"
  trust_domain = {_quoted(options.trust_domain)}
  data_dir = {_quoted(place.agent_data)}
  socket_path = {_quoted(place.agent_socket)}
  trust_bundle_path = {_quoted(place.trust_bundle)}
  log_level = "INFO"
  {admin if options.authorized_delegates else ""}
  allow_unauthenticated_verifiers = {json.dumps(options.allow_unauthenticated_verifiers)}
  experimental {{
    sync_interval = "{round(options.sync_interval * 1000)}ms"
  }}
}}
plugins {{
  KeyManager "memory" {{
    plugin_data {{}}
  }}
  NodeAttestor "join_token" {{
    plugin_data {{}}
  }}
  WorkloadAttestor "unix" {{
    plugin_data {{}}
  }}
}}
"""


def _quoted(value: str | Path) -> str:
    # HCL strings are JSON strings, save for interpolation, which none of these values has.
    return json.dumps(str(value))
