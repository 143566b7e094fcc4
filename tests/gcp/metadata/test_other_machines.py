"""169.254.169.254 is an address as any other to the kernel: a neighbour with a route gets nothing there."""

import shutil
import subprocess
import sys

import pytest

from publisher.gcp.metadata_server.hosts import is_of_this_machine
from tests.gcp.metadata.serving import ROOT, bare
from tests.gcp.metadata.workloads import NEEDS_ROOT

LIMIT = 60.0
NAME = "projects/123456789/locations/global/workloadIdentityPools/spire-pool/providers/spire"
ASK = (
    "import http.client; c = http.client.HTTPConnection('169.254.169.254', 80, timeout=10); "
    "c.request('GET', '/'); print(c.getresponse().status)"
)
# Two machines and a cable: this shell is the one, `sleep` holds the other's network open.
WORLD = r"""
set -eu
ip link set lo up
ip address add 169.254.169.254/32 dev lo
unshare --net sleep 60 & other=$!
until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link add here type veth peer name there
ip link set there netns $other
ip address add 10.9.0.1/24 dev here
ip link set here up
nsenter --target $other --net sh -c 'ip address add 10.9.0.2/24 dev there && ip link set there up &&
  ip route add 169.254.169.254/32 via 10.9.0.1'
"$PYTHON" -m publisher gcp metadata-server --quiet --listen 169.254.169.254:80 --provider "$NAME" & server=$!
trap 'kill $server $other; wait' EXIT
for _ in $(seq 200); do "$PYTHON" -c "$ASK" && break || sleep 0.1; done 2>/dev/null
nsenter --target $other --net "$PYTHON" -c "$ASK"
"""


@pytest.mark.parametrize(
    ("remote", "local", "is_here"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "::1", True),
        ("192.0.2.7", "127.0.0.1", True),  # redirected here by this machine's own rules
        ("169.254.169.254", "169.254.169.254", True),
        ("127.0.0.1", "169.254.169.254", True),
        ("192.0.2.7", "169.254.169.254", False),
        ("169.254.169.253", "169.254.169.254", False),
    ],
)
def test_whose_connection_it_is(remote: str, local: str, is_here: bool) -> None:
    assert is_of_this_machine(remote, local) is is_here


@NEEDS_ROOT
def test_a_neighbour_with_a_route_to_the_metadata_address_is_refused() -> None:
    missing = [name for name in ("ip", "unshare", "nsenter") if shutil.which(name) is None]
    if missing or subprocess.run(["unshare", "--net", "true"], check=False, timeout=LIMIT).returncode:
        pytest.skip(f"no network of its own can be made here (missing: {missing})")
    done = subprocess.run(
        ["unshare", "--net", "bash", "-c", WORLD],
        cwd=ROOT,
        env=bare({"PYTHON": sys.executable, "NAME": NAME, "ASK": ASK}),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.stdout.split() == ["200", "403"], done.stderr
