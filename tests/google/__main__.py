"""Run the stand-in for Google until stdin closes: `python -m tests.google --dir DIR --socket PATH`.

It prints one JSON line with its addresses once it answers on all of them.
"""

import argparse
import json
import sys
from pathlib import Path

from tests.google.clock import OffsetClock
from tests.google.control import Control
from tests.google.journal import Journal
from tests.google.proxy import ConnectProxy, places
from tests.google.server import GooglePort
from tests.google.services import Services
from tests.google.state import State
from tests.google.tls import accepts_any, mutual_context, plain_context, write_certificates


def main() -> None:
    """Start what the arguments say, tell the addresses, and end with whoever started it."""
    parser = argparse.ArgumentParser(prog="python -m tests.google", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="for certificates")
    parser.add_argument("--socket", type=Path, required=True, help="of the control; a short path")
    asked = parser.parse_args()
    certificates = write_certificates(asked.dir)
    state, journal = State(clock=OffsetClock()), Journal()
    services = Services(state)
    open_to_all = plain_context(certificates)

    def trusted() -> list[str]:
        with state.lock:
            stores = [held.shown.get("x509", {}).get("trustStore", {}) for held in state.resources.values()]
        return [item["pemCertificate"] for store in stores for items in store.values() for item in items]

    plain = GooglePort(services, journal, lambda: open_to_all)
    mutual = GooglePort(services, journal, lambda: mutual_context(certificates, trusted()))
    proxy = ConnectProxy(places(plain.port, mutual.port), state, journal)
    Control(services, journal, asked.socket)
    addresses = {
        "url": f"https://127.0.0.1:{plain.port}",
        "mutual_url": f"https://127.0.0.1:{mutual.port}",
        "proxy": proxy.url,
        "ca_file": str(certificates.ca),
        "accepts_any": accepts_any(),
    }
    sys.stdout.write(json.dumps(addresses) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
