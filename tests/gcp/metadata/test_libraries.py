"""Google's own libraries find what they look for, with nothing but the address of the server."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gcp import clients
from tests.gcp.metadata import one_identity
from tests.gcp.metadata.serving import Serving, bare
from tests.gcp.metadata.world import APP, PROJECT_ID, World
from tests.google import fixtures

google, google_process = fixtures.google, fixtures.google_process
spire, world, server = one_identity.spire, one_identity.world, one_identity.server
LIMIT = 120.0

PYTHON = """
import google.auth, google.auth.transport.requests, json, sys
from google.auth import compute_engine
from google.cloud import storage
found, project = google.auth.default(scopes=["https://www.googleapis.com/auth/devstorage.read_only"])
assert isinstance(found, compute_engine.Credentials), found
found.refresh(google.auth.transport.requests.Request())
client = storage.Client(client_options={"api_endpoint": sys.argv[1]})
text = client.bucket("data").blob("a.txt").download_as_text()
print(json.dumps([project, found.service_account_email, text]))
"""


def test_google_s_python_libraries_need_nothing_but_the_address(
    world: World, server: Serving, tmp_path: Path
) -> None:
    world.google.put_object("data", "a.txt", b"hello")
    world.google.bind("buckets/data", "roles/storage.objectViewer", f"serviceAccount:{APP}")
    environment = bare(
        {
            **server.environment,
            "REQUESTS_CA_BUNDLE": str(world.google.ca_file),
            "HOME": str(tmp_path),
            "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true",
        }
    )
    done = subprocess.run(
        [sys.executable, "-c", PYTHON, world.google.storage_url],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == [PROJECT_ID, APP, "hello"]


NODE = """
const {GoogleAuth} = require('google-auth-library');
(async () => {
  const auth = new GoogleAuth({scopes: ['https://www.googleapis.com/auth/devstorage.read_only']});
  const client = await auth.getClient();
  const {token} = await client.getAccessToken();
  const target = 'https://service.example';
  const id = await (await auth.getIdTokenClient(target)).idTokenProvider.fetchIdToken(target);
  const project = await auth.getProjectId();
  console.log(JSON.stringify([client.constructor.name, project, token.slice(0, 5), id.slice(0, 3)]));
})().catch(error => { console.error(error); process.exit(1); });
"""


def test_google_s_library_for_node_needs_nothing_but_the_address(
    world: World, server: Serving, tmp_path: Path
) -> None:
    found = clients.find_node()
    if found is None:
        pytest.skip(clients.ABSENT)
    node, folder = found
    done = subprocess.run(
        [node, "-e", NODE],
        env=bare({**server.environment, "HOME": str(tmp_path)}),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == ["Compute", PROJECT_ID, "ya29.", "eyJ"]
