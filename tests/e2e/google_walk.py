"""The two walk-throughs as they stand on docs/google-cloud.md: their steps, and what a step needs to run."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.gcp import clients
from tests.gcp.metadata.serving import bare
from tests.google.google import Google
from tests.provider_place import PROJECT, ProviderPlace, make_place

JWT_STEPS = (
    "Create the bucket",
    "Publish the keys",
    "Create the workload identity pool",
    "Create the OIDC provider with issuer and attribute mapping",
    "Create the service account",
    "Bind the principal",
    "Get a JWT-SVID",
    "Exchange it at STS",
    "Impersonate the service account",
    "Call the API",
    "The small metadata proxy",
)
"""The steps of the walk-through with JWT-SVIDs, named as its author named them."""

X509_STEPS = (
    "Extract the root certificate",
    "Create the trust store YAML",
    "Create the pool and the X.509 provider",
    "Fetch the X.509-SVID to files",
    "Exchange by mTLS with curl",
    "Write the credential configuration and certificate_config.json",
    "Call the API with gcloud or a client library",
)
"""The steps of the walk-through with X.509-SVIDs, likewise."""

POOL, PROVIDER = "workloads", "spire"
NAME = f"projects/{PROJECT}/locations/global/workloadIdentityPools/{POOL}/providers/{PROVIDER}"
AUDIENCE = f"//iam.googleapis.com/{NAME}"
ACCOUNT = "app@my-project.iam.gserviceaccount.com"
DATA, OBJECT, CONTENT = "private-data", "hello.txt", "for workloads only"
READER = "roles/storage.objectViewer"
_SECONDS = 120.0

WORKLOAD = f"""from google.cloud import storage; \
print(storage.Client().bucket("{DATA}").blob("{OBJECT}").download_as_text())"""
"""What the page's reader types after `python -c`: Google's library, and nothing of ours."""


@dataclass(kw_only=True)
class Walk:
    """Walk through the steps in their order. `place` is the administrator's, who makes another provider."""

    google: Google
    place: ProviderPlace
    folder: Path
    steps: tuple[str, ...]
    done: list[str] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Do the next step; an error in it is told by its name."""
        assert name == self.steps[len(self.done)], f"the next step is another: {self.done}"
        try:
            yield
        except AssertionError as error:
            raise AssertionError(f"step {len(self.done) + 1}, {name}: {error}") from error
        self.done.append(name)

    def gcp(self, *arguments: str, environment: Mapping[str, str], expect: int = 0) -> str:
        """Run one of the `gcp` commands as somebody types it; give its standard output."""
        ended = subprocess.run(
            [sys.executable, "-m", "publisher", "gcp", *arguments],
            env=bare(environment),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert ended.returncode == expect, ended.stdout + ended.stderr
        return ended.stdout

    def administer(self, *arguments: str, expect: int = 0) -> str:
        """Run `gcp setup` for the provider of the walk, as its administrator."""
        common = ("--provider", NAME, "--trust-domain", "example.org")
        return self.gcp("setup", *common, *arguments, environment=self.place.environment, expect=expect)

    def call_the_api(self, environment: Mapping[str, str]) -> str:
        """Be a workload that reads a private object of Cloud Storage; give what it read."""
        ended = subprocess.run(
            [sys.executable, "-c", WORKLOAD],
            env=bare({**self.google.proxied_environment, **environment}),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    def doctor(self, credentials: Path, *arguments: str, expect: int = 0) -> str:
        """Let the doctor look at the workload's chain, with Google's own host names."""
        words = ("--credential-config", str(credentials), "--call", f"gs://{DATA}/{OBJECT}", *arguments)
        environment = {
            **self.google.proxied_environment,
            "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1",
        }
        return self.gcp("doctor", *words, environment=environment, expect=expect)

    def last_caller(self) -> str:
        """Say as whom the private object was read last."""
        return self.google.journal(f"^GET storage.*/{DATA}/")[-1].caller


def program(folder: Path) -> str:
    """Give an executable of this program that works wherever it is started."""
    script = folder / "spire-oidc-publisher"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m publisher "$@"\n')
    script.chmod(0o755)
    return str(script)


def new_walk(google: Google, folder: Path, steps: tuple[str, ...]) -> Walk:
    """Have a project with an administrator of pools, and a private object that nobody may read."""
    place = make_place(google, folder, issuer="https://elsewhere.example")
    google.put_object(DATA, OBJECT, CONTENT.encode())
    return Walk(google=google, place=place, folder=folder, steps=steps)


def principal(spiffe_id: str) -> str:
    pool = NAME.partition("/providers/")[0]
    return f"principal://iam.googleapis.com/{pool}/subject/{spiffe_id}"


def variables(said: str) -> dict[str, str]:
    """Give what `gcp credential-config` printed, all that the workload gets."""
    return clients.exports(said)


def create_account(walk: Walk) -> None:
    """Do what `gcloud iam service-accounts create` does, and what else is the administrator's by hand."""
    walk.google.create_service_account(ACCOUNT)
    walk.google.bind(ACCOUNT, "roles/iam.serviceAccountAdmin", walk.place.member)
    walk.google.bind(f"buckets/{DATA}", READER, f"serviceAccount:{ACCOUNT}")
