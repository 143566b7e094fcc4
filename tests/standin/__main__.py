"""Run the stand-in until stdin closes: `python -m tests.standin --dir DIR`.

It prints one JSON line with its addresses once it answers on all of them.
"""

import argparse
import json
import sys
from pathlib import Path

from tests.peers.certificates import write_certificates
from tests.standin.agent import Server
from tests.standin.authorities import Authorities, Settings
from tests.standin.clock import MovableClock
from tests.standin.control import Control
from tests.standin.keys import MAKERS
from tests.standin.standin import Standin, Wiring


def main() -> None:
    """Start what the arguments say, tell the addresses, and end with whoever started it."""
    asked = _arguments()
    settings = Settings(
        trust_domain=asked.trust_domain,
        jwt_issuer=asked.jwt_issuer,
        key_type=asked.key_type,
        ca_ttl=asked.ca_ttl,
        svid_ttl=asked.svid_ttl,
        jwt_svids=not asked.no_jwt_svids,
    )
    authorities = Authorities(settings, MovableClock())
    certificates = write_certificates(asked.dir)
    server = Server(
        authorities=authorities,
        spiffe_id=f"spiffe://{asked.trust_domain}{asked.workload}",
        federated={},
        registered=not asked.no_entry,
    )
    wiring = Wiring(
        directory=asked.dir,
        certificate=certificates.chain_and_key,
        sync_interval=asked.sync_interval,
        unauthenticated_verifiers=asked.allow_unauthenticated_verifiers,
    )
    standin = Standin(authorities, server, wiring)
    for trust_domain in asked.federated:
        standin.federate(trust_domain)
    standin.sync()
    control_path = asked.dir / "control.sock"
    control = Control(standin, control_path)
    addresses = {
        "workload_api": wiring.workload_api,
        "server_api": wiring.server_api,
        "bundle_endpoint": standin.endpoint.url,
        "ca_file": str(certificates.ca),
        "control": str(control_path),
    }
    sys.stdout.write(json.dumps(addresses) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    control.close()
    standin.stop()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.standin", description=__doc__)
    add = parser.add_argument
    add("--dir", type=Path, required=True, help="for sockets and certificates; a short path")
    add("--trust-domain", default="example.org")
    add("--workload", default="/publisher", help="path of the SPIFFE ID that every caller has")
    add("--jwt-issuer", help="the iss of every JWT-SVID; without it they have none")
    add("--key-type", choices=sorted(MAKERS), default="ec-p256")
    add("--ca-ttl", type=float, default=86400.0, help="seconds that an authority lives")
    add("--svid-ttl", type=float, default=300.0, help="seconds that a JWT-SVID lives")
    add("--sync-interval", type=float, default=0.5, help="seconds between an agent's syncs; 0: when told")
    add("--federated", action="append", default=[], help="another trust domain; repeatable")
    add("--allow-unauthenticated-verifiers", action="store_true")
    add("--no-entry", action="store_true", help="the caller has no registration entry")
    add("--no-jwt-svids", action="store_true", help="a server with disable_jwt_svids: an empty bundle")
    return parser.parse_args()


if __name__ == "__main__":
    main()
