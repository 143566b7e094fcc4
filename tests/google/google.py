"""The stand-in for Google, as tests see it: a process of its own, its addresses and its control.

What it does beyond documented facts is marked in the docstrings of its modules: `sts`, `id_tokens`,
`mapping`, `chains`, `discovery`, `cel`, `limits`, `iam_pools`, `operations`, `iam_credentials`, `tls`,
`settings`.
It knows nothing of quotas, audit logs, VPC service controls, regional endpoints, key caches of the real STS,
how long the real thing takes to spread a change, workforce pools, AWS and SAML providers.
"""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import requests

from tests.google.faults import Fault
from tests.google.journal import Entry

_ROOT = Path(__file__).parents[2]
_START_PATIENCE, _ANSWER_PATIENCE, _STOP_PATIENCE = 60.0, 60.0, 5.0
SUBJECT = {"google.subject": "assertion.sub"}
SAN_URI = {"google.subject": "assertion.san.uri"}
CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"


class GoogleError(Exception):
    """Report what the stand-in refused; `status` is the API's, where there is one."""

    def __init__(self, words: str, status: int | None = None) -> None:
        super().__init__(words)
        self.status = status


class Google:
    """Steer a running stand-in. Every call raises GoogleError where it is refused."""

    def __init__(self, addresses: Mapping[str, Any], control: Path) -> None:
        self.url: str = addresses["url"]
        self.sts_url = f"{self.url}/v1/token"
        self._mutual_url: str = addresses["mutual_url"]
        self.sts_mtls_url = f"{self._mutual_url}/v1/token"
        self.iam_url = self.iamcredentials_url = self.storage_url = self.resource_manager_url = self.url
        self.certs_url = f"{self.url}/oauth2/v3/certs"
        self.proxy_url: str = addresses["proxy"]
        self.ca_file = Path(addresses["ca_file"])
        self.accepts_any_client_certificate: bool = addresses["accepts_any"]
        self._control = control

    @cached_property
    def environment(self) -> dict[str, str]:
        """What a client process needs that can be told other addresses."""
        names = ("STS", "IAM", "IAMCREDENTIALS", "CLOUDRESOURCEMANAGER")
        overrides = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}": f"{self.url}/" for name in names}
        mutual = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_STS_MTLS": f"{self._mutual_url}/"}
        return overrides | mutual | self._trust

    @cached_property
    def proxied_environment(self) -> dict[str, str]:
        """What a client process needs that knows Google's own host names only."""
        # Some clients read the one spelling, some the other.
        proxy = dict.fromkeys(("HTTPS_PROXY", "https_proxy"), self.proxy_url)
        return {**proxy, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"} | self._trust

    @cached_property
    def _trust(self) -> dict[str, str]:
        names = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
        return dict.fromkeys(names, str(self.ca_file))

    def session(self) -> requests.Session:
        """Give a session that trusts the stand-in and nobody else; whoever asks closes it."""
        session = requests.Session()
        session.verify, session.trust_env = str(self.ca_file), False
        return session

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send one command to the control socket and give its result."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWER_PATIENCE)
            connection.connect(str(self._control))
            connection.sendall(json.dumps({"do": command, **arguments}).encode() + b"\n")
            with connection.makefile("rb") as answers:
                answer = json.loads(answers.readline())
        if "error" in answer:
            raise GoogleError(answer["error"], answer.get("status"))
        return answer["result"]

    # Pools and providers

    def create_project(self, number: str = "123456789", project_id: str = "my-project") -> str:
        self.ask("create_project", number=number, project_id=project_id)
        return number

    def create_pool(self, project: str = "123456789", pool: str = "spire-pool", **members: Any) -> str:
        parent = f"projects/{project}/locations/global"
        return str(
            self.ask("create", parent=parent, collection="workloadIdentityPools", given=pool, body=members)
        )

    def create_oidc_provider(
        self,
        pool: str,
        provider: str = "spire",
        *,
        issuer: str,
        jwks: str | Mapping[str, Any] | None = None,
        mapping: Mapping[str, str] = SUBJECT,
        condition: str = "",
        audiences: Sequence[str] = (),
        discovery_uri: str = "",
    ) -> str:
        """Create a provider whose keys STS fetches, or has uploaded (`jwks`); give its name."""
        uploaded = json.dumps(jwks) if isinstance(jwks, Mapping) else jwks
        oidc = {
            "issuerUri": issuer,
            "jwksJson": uploaded,
            "allowedAudiences": list(audiences),
            "discoveryUri": discovery_uri,
        }
        filled = {name: value for name, value in oidc.items() if value}
        return self._create_provider(pool, provider, mapping, condition, {"oidc": filled})

    def create_x509_provider(
        self,
        pool: str,
        provider: str = "mtls",
        *,
        anchors: Sequence[str],
        intermediates: Sequence[str] = (),
        mapping: Mapping[str, str] = SAN_URI,
        condition: str = "",
    ) -> str:
        """Create a provider for X.509-SVIDs from PEM certificates; give its name."""
        store = {
            "trustAnchors": [{"pemCertificate": pem} for pem in anchors],
            "intermediateCas": [{"pemCertificate": pem} for pem in intermediates],
        }
        return self._create_provider(pool, provider, mapping, condition, {"x509": {"trustStore": store}})

    def patch(self, name: str, mask: str, body: Mapping[str, Any]) -> None:
        """Change a pool or provider as the API's PATCH does, without its permission."""
        self.ask("patch", name=name, mask=mask, body=dict(body))

    def provider(self, name: str) -> dict[str, Any]:
        """Give a pool or provider as the API shows it."""
        found: dict[str, Any] = self.ask("show", name=name)
        return found

    pool = provider

    @staticmethod
    def audience(name: str) -> str:
        """Give the default audience of a provider."""
        return f"//iam.googleapis.com/{name}"

    def disable(self, name: str) -> None:
        self.ask("set", name=name, disabled=True)

    def enable(self, name: str) -> None:
        self.ask("set", name=name, disabled=False)

    def delete(self, name: str) -> None:
        self.ask("set", name=name, state="DELETED")

    def undelete(self, name: str) -> None:
        self.ask("set", name=name, state="ACTIVE")

    # Accounts, rights, tokens, objects

    def create_service_account(self, email: str) -> str:
        """Create it and give its unique id."""
        return str(self.ask("create_account", email=email))

    def impersonation_url(self, email: str) -> str:
        return f"{self.url}/v1/projects/-/serviceAccounts/{email}:generateAccessToken"

    def bind(self, resource: str, role: str, member: str) -> None:
        """Give a role on an account (its e-mail), a bucket (buckets/NAME) or a project (projects/NUMBER)."""
        self.ask("bind", resource=resource, role=role, member=member)

    def unbind(self, resource: str, role: str, member: str) -> None:
        self.ask("unbind", resource=resource, role=role, member=member)

    def bindings(self) -> set[tuple[str, str, str]]:
        """Give resource, role and member of every binding."""
        return {(resource, role, member) for resource, role, member in self.ask("bindings")}

    def token(
        self,
        member: str = "user:admin@example.com",
        *,
        scopes: Sequence[str] = (CLOUD_PLATFORM,),
        lifetime: float = 3600.0,
    ) -> str:
        """Make an access token out of nothing for that principal."""
        return str(self.ask("token", member=member, scopes=list(scopes), lifetime=lifetime))

    def administrator_token(self, project: str = "123456789") -> str:
        """Make an access token of somebody who may administer the project's pools."""
        member = "user:admin@example.com"
        self.bind(f"projects/{project}", "roles/iam.workloadIdentityPoolAdmin", member)
        return self.token(member)

    def who_am_i(self, token: str) -> dict[str, Any]:
        """Say who bears a token: principal, members, scopes, expires_in."""
        found: dict[str, Any] = self.ask("peek", token=token)
        return found

    peek = who_am_i

    def revoke(self, token: str) -> None:
        self.ask("revoke", token=token)

    def put_object(self, bucket: str, name: str, content: bytes) -> None:
        self.ask("put_object", bucket=bucket, name=name, content=content.hex())

    # Surroundings

    def issuer_at(self, origin: str, place: str, ca_file: Path | str) -> None:
        """Let STS find an origin (https://HOST[:PORT]) at HOST:PORT, whose certificate that CA signed."""
        self.ask("issuer_at", origin=origin.rstrip("/"), place=place, ca_file=str(ca_file))

    def issuer_gone(self, origin: str) -> None:
        """Let STS not find it any more."""
        self.ask("issuer_gone", origin=origin.rstrip("/"))

    def configure(self, **switches: Any) -> None:
        """Set fields of `settings.Settings`."""
        self.ask("configure", **switches)

    def fail_operations(self, code: int, message: str, *, times: int = 1) -> None:
        """Let the next writes of pools and providers change nothing and end with that `google.rpc.Status`."""
        self.ask("fail_operations", code=code, message=message, times=times)

    def now(self) -> float:
        return float(self.ask("now"))

    def advance(self, seconds: float) -> float:
        return float(self.ask("advance", seconds=seconds))

    def inject(self, *faults: Fault) -> None:
        """Queue faults: a request takes the first that fits."""
        for fault in faults:
            self.ask("inject", **fault.as_json())

    def clear_faults(self) -> None:
        self.ask("clear_faults")

    def journal(self, where: str = "") -> list[Entry]:
        """Give the requests whose "METHOD HOST PATH?QUERY" that expression is found in, in their order."""
        return [Entry(**entry) for entry in self.ask("journal", where=where)]

    def count(self, where: str = "") -> int:
        return int(self.ask("count", where=where))

    @property
    def connections(self) -> int:
        return int(self.ask("connections"))

    def forget(self) -> None:
        """Empty the journal."""
        self.ask("forget")

    def reset(self) -> None:
        """Make all as new; addresses and keys stay."""
        self.ask("reset")

    def _create_provider(
        self, pool: str, provider: str, mapping: Mapping[str, str], condition: str, kind: dict[str, Any]
    ) -> str:
        body = {"attributeMapping": dict(mapping), **kind}
        if condition:
            body["attributeCondition"] = condition
        return str(self.ask("create", parent=pool, collection="providers", given=provider, body=body))


@contextmanager
def running_google(folder: Path) -> Iterator[Google]:
    """Run a stand-in with certificates and log in that folder, until the block ends.

    Raises:
        GoogleError: it did not start; the text has the end of its log.

    """
    log = folder / "google.log"
    # Below /tmp whatever TMPDIR says: a unix socket's path has at most 107 bytes.
    directory = Path(tempfile.mkdtemp(prefix="google-", dir="/tmp"))
    control = directory / "control.sock"
    command = [sys.executable, "-m", "tests.google", "--dir", str(folder), "--socket", str(control)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output
        )
    try:
        yield Google(_first_line(process, log), control)
    finally:
        _stop(process)
        shutil.rmtree(directory, ignore_errors=True)


def _first_line(process: subprocess.Popen[bytes], log: Path) -> Mapping[str, Any]:
    # A timer ends a stand-in that says nothing, and with it the read.
    timer = threading.Timer(_START_PATIENCE, process.kill)
    timer.start()
    try:
        assert process.stdout
        line = process.stdout.readline()
    finally:
        timer.cancel()
        timer.join()
    if not line:
        raise GoogleError(f"the stand-in for Google did not start: {log.read_text()[-500:]}")
    addresses: Mapping[str, Any] = json.loads(line)
    return addresses


def _stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin
    assert process.stdout
    with suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(_STOP_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
