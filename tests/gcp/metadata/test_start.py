"""What keeps the server from starting, told with its exit status."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from publisher.errors import ExitStatus
from tests.gcp.metadata.serving import ROOT, bare, free_port
from tests.gcp.metadata.workloads import NEEDS_ROOT

NAME = "projects/123456789/locations/global/workloadIdentityPools/spire-pool/providers/spire"
LIMIT = 60.0
IDENTITIES = '[[identity]]\nspiffe_id = "spiffe://example.org/a"\n'


def run(*arguments: str, prefix: tuple[str, ...] = ()) -> tuple[int, str]:
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "publisher", "gcp", "metadata-server", *arguments],
        cwd=ROOT,
        env=bare({}),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), ExitStatus.USAGE, "--provider: is required"),
        (("--provider", NAME, "--listen", "0.0.0.0:80"), ExitStatus.USAGE, "other machines"),
        (
            ("--provider", NAME, "--workload-api", "http://x"),
            ExitStatus.USAGE,
            "--workload-api",
        ),
        (("--provider", NAME, "--listen", "169.254.169.254:8174"), ExitStatus.SETTINGS, "ip addr add"),
    ],
)
def test_bad_settings(arguments: tuple[str, ...], status: ExitStatus, words: str) -> None:
    ended, log = run(*arguments)
    assert (ended, words in log) == (status, True), log


@NEEDS_ROOT
@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        (("setpriv", "--bounding-set=-sys_ptrace"), "give it CAP_SYS_PTRACE ("),
        (("setpriv", "--bounding-set=-dac_read_search"), "give it CAP_DAC_READ_SEARCH ("),
        (("unshare", "--user", "--map-root-user"), "user namespace"),
        (("unshare", "--pid", "--fork", "--mount-proc"), "pid namespace"),
    ],
)
def test_many_identities_need_a_clear_view_of_the_host(
    tmp_path: Path, prefix: tuple[str, ...], words: str
) -> None:
    if shutil.which(prefix[0]) is None:
        pytest.skip(f"no {prefix[0]} on the PATH")
    allowed = subprocess.run([*prefix, "true"], capture_output=True, timeout=LIMIT, check=False)
    if allowed.returncode:
        pytest.skip(f"{' '.join(prefix)} is not allowed here")
    file = tmp_path / "identities.toml"
    file.write_text(IDENTITIES)
    listen = ("--listen", f"127.0.0.1:{free_port()}")
    ended, log = run("--provider", NAME, "--identities", str(file), *listen, prefix=prefix)
    # In a container the first of the three that is missing is told.
    assert ended == ExitStatus.SETTINGS, log
    assert words in log or "namespace" in log


def test_a_bad_file_of_identities_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "identities.toml"
    file.write_text(IDENTITIES + 'service_acount = "x"\n')
    listen = ("--listen", f"127.0.0.1:{free_port()}")
    ended, log = run("--provider", NAME, "--identities", str(file), *listen)
    assert ended == ExitStatus.SETTINGS
    assert "identity 1: has the unknown member 'service_acount'" in log
