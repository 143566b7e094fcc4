"""A provider at the stand-in for Google, and a publisher that may administer it, federated by another one."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import keys
from tests.google.google import Google

PROJECT, ADMIN = "123456789", "roles/iam.workloadIdentityPoolAdmin"
_OTHER_ISSUER = "https://bootstrap.example"


@dataclass(frozen=True, kw_only=True)
class ProviderPlace:
    """One provider without keys of its own yet, and the environment of its publisher."""

    google: Google
    name: str
    issuer: str
    environment: dict[str, str]
    member: str
    """Who the publisher is to Google."""

    @property
    def sink(self) -> str:
        return f"wif-provider:{self.name}"

    @property
    def uploaded(self) -> str | None:
        """Give the keys as Google keeps them."""
        found: str | None = self.google.provider(self.name)["oidc"].get("jwksJson")
        return found

    @property
    def kids(self) -> set[str]:
        return {key["kid"] for key in json.loads(self.uploaded or '{"keys": []}')["keys"]}

    def upload(self, *kids: str) -> None:
        """Write keys as a stranger does."""
        self.upload_text(json.dumps({"keys": [keys.jwk(kid, use="sig", alg="ES256") for kid in kids]}))

    def upload_text(self, text: str) -> None:
        self.google.patch(self.name, "oidc.jwksJson", {"oidc": {"jwksJson": text}})

    def exchange(self, token: str) -> tuple[int, dict[str, Any]]:
        """Exchange a JWT-SVID at STS; give status and answer."""
        with self.google.session() as session:
            answer = session.post(
                self.google.sts_url,
                data={
                    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                    "audience": self.google.audience(self.name),
                    "scope": "https://www.googleapis.com/auth/cloud-platform",
                    "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
                    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                    "subject_token": token,
                },
                timeout=20,
            )
        return answer.status_code, answer.json()

    def accepts(self, token: str) -> bool:
        return self.exchange(token)[0] == 200

    @property
    def uploads(self) -> int:
        return self.google.count("^PATCH ")


def make_place(google: Google, folder: Path, *, issuer: str) -> ProviderPlace:
    """Make pool and provider, and credentials in `folder` that hang on neither key nor service account."""
    google.create_project(PROJECT, "my-project")
    pool = google.create_pool(PROJECT, "spire-pool")
    name = google.create_oidc_provider(pool, "spire", issuer=issuer)
    other = google.create_oidc_provider(
        pool, "bootstrap", issuer=_OTHER_ISSUER, jwks={"keys": [keys.jwk("boot", use="sig", alg="ES256")]}
    )
    member = f"principal://iam.googleapis.com/{pool}/subject/publisher"
    google.bind(f"projects/{PROJECT}", ADMIN, member)
    now = int(time.time())
    claims = {"iss": _OTHER_ISSUER, "sub": "publisher", "aud": google.audience(other)}
    token = folder / "publisher.jwt"
    token.write_text(keys.token("boot", {**claims, "iat": now, "exp": now + 3600}))
    credentials = folder / "credentials.json"
    configuration = {
        "type": "external_account",
        "audience": google.audience(other),
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": google.sts_url,
        "credential_source": {"file": str(token)},
    }
    credentials.write_text(json.dumps(configuration))
    return ProviderPlace(
        google=google,
        name=name,
        issuer=issuer,
        environment={**google.environment, "GOOGLE_APPLICATION_CREDENTIALS": str(credentials)},
        member=member,
    )
