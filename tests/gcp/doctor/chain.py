"""A whole chain for the doctor: SPIRE, an issuer's site, Google; and what the command said of it."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cli.running import Ran, invoke
from tests.conftest import MakePeer
from tests.gcp.doctor.issuer_site import ISSUER, Site
from tests.google.google import Google
from tests.peers.peer import SpirePeer
from tests.provider_place import PROJECT, ProviderPlace, make_place

ACCOUNT = "app@my-project.iam.gserviceaccount.com"
USER, VIEWER = "roles/iam.workloadIdentityUser", "roles/storage.objectViewer"
POOL = f"projects/{PROJECT}/locations/global/workloadIdentityPools/spire-pool"


ME = "spiffe://example.org/publisher"
OURS = "assertion.sub.startsWith('spiffe://example.org/')"


def principal(spiffe_id: str) -> str:
    """Give the member of IAM bindings."""
    return f"principal://iam.googleapis.com/{POOL}/subject/{spiffe_id}"


@dataclass(frozen=True, kw_only=True)
class Walked:
    """What one walk said."""

    ran: Ran

    @property
    def stages(self) -> dict[str, dict[str, Any]]:
        return {stage["name"]: stage for stage in self.ran.json["stages"]}

    @property
    def last(self) -> dict[str, Any]:
        stage: dict[str, Any] = self.ran.json["stages"][-1]
        return stage

    @property
    def broken(self) -> tuple[str, str]:
        """Give name and code of the stage that the walk ended at."""
        assert self.last["result"] == "broken", self.ran.out
        assert self.last["remedy"], "a broken stage without a remedy"
        return self.last["name"], self.last["code"]

    @property
    def results(self) -> dict[str, str]:
        return {name: stage["result"] for name, stage in self.stages.items()}


@dataclass(kw_only=True)
class Chain:
    """Hold the parts, and run the command over them in this process."""

    google: Google
    place: ProviderPlace
    site: Site
    workload_api: str
    environment: dict[str, str] = field(default_factory=dict)

    def walk(self, *arguments: str, expect: int, provider: bool = True, **environment: str) -> Walked:
        """Run `gcp doctor --output json`, and look at its status."""
        words = ("--provider", self.place.name) if provider else ()
        ran = self.run(*words, "--output", "json", *arguments, **environment)
        assert ran.status == expect, ran.out + ran.err
        return Walked(ran=ran)

    def run(self, *arguments: str, **environment: str) -> Ran:
        """Run `gcp doctor`."""
        words = ("--ca-file", str(self.site.ca_file), "--workload-api", self.workload_api)
        return invoke("gcp", "doctor", *words, *arguments, stdin=None, **{**self.environment, **environment})


def make_chain(
    google: Google, site: Site, workload_api: str, folder: Path, *, issuer: str = ISSUER, **provider: Any
) -> Chain:
    """Make pool, provider (patched by `provider`), accounts and bindings for `spiffe://example.org/publisher`."""
    place = make_place(google, folder, issuer=issuer)
    google.issuer_at(ISSUER, site.place, site.ca_file)
    for mask, body in provider.items():
        google.patch(place.name, mask, {mask: body})
    google.create_service_account(ACCOUNT)
    google.bind(ACCOUNT, USER, principal("spiffe://example.org/publisher"))
    ours = {name: "" for name in os.environ if name.startswith(("SPIRE_OIDC_PUBLISHER_", "SPIFFE_"))}
    empty = {**ours, "GOOGLE_CLOUD_PROJECT": ""}
    overrides = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{google.storage_url}/"}
    # Google's services by their overridden places, the issuer by its name through the proxy.
    environment = {**empty, **google.proxied_environment, **place.environment, **overrides}
    return Chain(google=google, place=place, site=site, workload_api=workload_api, environment=environment)


def other_spire(make_standin: MakePeer, chain: Chain, **options: Any) -> SpirePeer:
    """Put another SPIRE into the chain, its keys published."""
    peer = make_standin(**{"jwt_issuer": ISSUER, **options})
    peer.wait_for_agent()
    chain.workload_api = peer.workload_api
    if peer.options.jwt_svids:
        chain.site.publish(peer.jwks()["keys"])
    return peer


def connecting(chain: Chain, *arguments: str) -> Walked:
    """Walk to the exchange, at which Google says its sentence of many causes."""
    walked = chain.walk(*arguments, expect=1)
    assert walked.broken == ("exchange", "GCP017")
    return walked
