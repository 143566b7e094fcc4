"""The stand-in for Google as fixtures.

Assign those that a module uses (an import of the names would be shadowed by the tests' arguments):
`google, google_process = fixtures.google, fixtures.google_process`.
"""

from collections.abc import Iterator

import pytest
import requests

from tests.google.asking import ISSUER
from tests.google.google import Google, running_google


@pytest.fixture(scope="module")
def google_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Google]:
    """Have one process for all tests of a module."""
    with running_google(tmp_path_factory.mktemp("google")) as started:
        yield started


@pytest.fixture
def google(google_process: Google) -> Google:
    """Have that process, as new."""
    google_process.reset()
    return google_process


@pytest.fixture
def pool(google: Google) -> str:
    """Have the pool spire-pool in project 123456789 (my-project)."""
    google.create_project()
    return google.create_pool()


@pytest.fixture
def provider(google: Google, pool: str) -> str:
    """Have a provider with the uploaded keys of `asking.ISSUER`."""
    return google.create_oidc_provider(pool, issuer=ISSUER.url, jwks=ISSUER.jwks())


@pytest.fixture
def session(google: Google) -> Iterator[requests.Session]:
    """Have a session that trusts the stand-in."""
    with google.session() as session:
        yield session
