"""The provider as the IAM API may show it: every state of pool and provider, by a port's double."""

from collections.abc import Mapping
from typing import Any

import pytest

from publisher.errors import SettingsError
from publisher.gcp.credential_config import Way
from publisher.gcp.doctor.provider import look_at_provider
from publisher.gcp.doctor.stage import Result
from publisher.gcp.doctor.target import Target
from publisher.gcp.endpoints import Endpoints
from publisher.gcp.identity_choice import Choice
from publisher.gcp.provider_name import Provider

PROVIDER = Provider(project_number="123456789", pool_id="spire-pool", provider_id="spire")
ACTIVE = {"state": "ACTIVE"}
OIDC = {**ACTIVE, "oidc": {"issuerUri": "https://issuer.example"}}
X509 = {**ACTIVE, "x509": {"trustStore": {}}}
OTHER = {**ACTIVE, "saml": {}}


def target(way: Way) -> Target:
    return Target(
        provider=PROVIDER,
        way=way,
        service_account=None,
        issuer=None,
        audience=PROVIDER.audience,
        choice=Choice(),
        workload_api="unix:///nowhere",
        files=None,
        endpoints=Endpoints(),
        call=None,
        read_provider=True,
        ca_file=None,
        timeout=5.0,
    )


@pytest.mark.parametrize(
    ("pool", "provider", "way", "said"),
    [
        (None, OIDC, Way.EXECUTABLE, "is not there"),
        ({"state": "DELETED"}, OIDC, Way.EXECUTABLE, "is 'DELETED'"),
        ({**ACTIVE, "disabled": True}, OIDC, Way.EXECUTABLE, "is disabled"),
        (ACTIVE, None, Way.EXECUTABLE, "is not there"),
        (ACTIVE, {**OIDC, "state": "DELETED"}, Way.EXECUTABLE, "is 'DELETED'"),
        (ACTIVE, {**OIDC, "disabled": True}, Way.FILE, "is disabled"),
        (ACTIVE, X509, Way.EXECUTABLE, "is an X.509 provider"),
        (ACTIVE, OIDC, Way.X509, "is an OIDC provider"),
        (ACTIVE, OTHER, Way.X509, "is of another kind"),
    ],
)
def test_a_provider_that_cannot_work_is_broken(
    pool: Mapping[str, Any] | None, provider: Mapping[str, Any] | None, way: Way, said: str
) -> None:
    there = {PROVIDER.pool: pool, PROVIDER.name: provider}
    seen, shown = look_at_provider(target(way), lambda name: there[name])
    assert seen.result is Result.BROKEN
    assert said in seen.said
    assert seen.remedy
    assert seen.finding is not None
    assert seen.finding.code == "GCP006"
    assert shown.body is None


def test_a_provider_that_may_not_be_read_is_unknown() -> None:
    def refused(name: str) -> Mapping[str, Any] | None:
        raise SettingsError(name, "answered 403", "give the role")

    seen, shown = look_at_provider(target(Way.EXECUTABLE), refused)
    assert seen.result is Result.UNKNOWN
    assert "answered 403" in seen.said
    assert shown.audiences(PROVIDER) is None
    assert shown.mapping is None


def test_a_provider_that_is_in_use_is_shown() -> None:
    there: dict[str, Mapping[str, Any]] = {PROVIDER.pool: ACTIVE, PROVIDER.name: OIDC}
    seen, shown = look_at_provider(target(Way.FILE), lambda name: there[name])
    assert seen.result is Result.OK
    assert shown.issuer == "https://issuer.example"
    assert shown.audiences(PROVIDER) == (PROVIDER.audience, f"https:{PROVIDER.audience}")
