"""A trust domain, the stand-in for Google that trusts it, and a metadata server between them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.gcp.metadata.serving import Serving, serving
from tests.google.google import Google
from tests.peers.peer import SpirePeer

ISSUER = "https://issuer.example/spire"
PROJECT, PROJECT_ID = "123456789", "my-project"
APP = f"app@{PROJECT_ID}.iam.gserviceaccount.com"
USER = "roles/iam.workloadIdentityUser"


def uploaded(peer: SpirePeer) -> dict[str, Any]:
    """Give the trust domain's keys as a provider takes them."""
    return {"keys": [{**key, "use": "sig", "alg": "ES256"} for key in peer.jwks()["keys"]]}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Hold SPIRE, Google, and the provider through which the one trusts the other."""

    google: Google
    peer: SpirePeer
    pool: str
    provider: str

    def account(self, email: str, *subjects: str) -> str:
        """Create a service account that these SPIFFE IDs may act as."""
        self.google.create_service_account(email)
        for subject in subjects:
            self.google.bind(email, USER, self.member(subject))
        return email

    def member(self, subject: str) -> str:
        return f"principal://iam.googleapis.com/{self.pool}/subject/{subject}"

    @contextmanager
    def one(self, *arguments: str) -> Iterator[Serving]:
        """Run a metadata server for the identity of the tests' own process."""
        common = ("--provider", self.provider, "--project-id", PROJECT_ID, "--timeout", "3s")
        socket = ("--workload-api", self.peer.workload_api)
        with serving(*common, *socket, *arguments, environment=self.google.environment) as server:
            yield server


def new_world(google: Google, peer: SpirePeer) -> World:
    """Let Google trust this SPIRE by uploaded keys."""
    google.create_project(PROJECT, PROJECT_ID)
    pool = google.create_pool(PROJECT)
    provider = google.create_oidc_provider(pool, issuer=ISSUER, jwks=uploaded(peer))
    return World(google=google, peer=peer, pool=pool, provider=provider)
