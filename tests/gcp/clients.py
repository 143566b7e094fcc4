"""Google's own libraries as processes: nothing of ours, only files and environment variables."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT = 90.0
NODE_FOLDER = "GOOGLE_AUTH_NODE"
"""The environment variable with a folder in which `npm install google-auth-library` was run."""

ABSENT = f"no node on the PATH, or no google-auth-library for it in the folder {NODE_FOLDER}"

_PYTHON = """
import json, sys, google.auth, google.auth.transport.requests
scopes = ["https://www.googleapis.com/auth/cloud-platform"]
credentials = None
request = google.auth.transport.requests.Request()
for line in sys.stdin:
    try:
        if credentials is None:
            credentials, _ = google.auth.default(scopes=scopes)
        credentials.refresh(request)
        print(json.dumps({"token": credentials.token}), flush=True)
    except Exception as error:
        print(json.dumps({"error": str(error)}), flush=True)
"""
_NODE = """
const {GoogleAuth} = require('google-auth-library');
const lines = require('readline').createInterface({input: process.stdin});
const auth = new GoogleAuth({scopes: ['https://www.googleapis.com/auth/cloud-platform']});
(async () => {
  let client;
  for await (const _ of lines) {
    try {
      client = client || await auth.getClient();
      client.credentials = {}; client.cachedAccessToken = null;
      const {token} = await client.getAccessToken();
      console.log(JSON.stringify({token}));
    } catch (error) { console.log(JSON.stringify({error: String(error.message)})); }
  }
})();
"""
# What would lead a client elsewhere than the files under test.
_OTHERS = (
    "GOOGLE_",
    "CLOUDSDK_",
    "SPIRE_OIDC_PUBLISHER_",
    "GCE_",
    "SPIFFE_",
    "HTTP",
    "http",
    "no_proxy",
    "NO_PROXY",
)


@dataclass
class Client:
    """A client process that exchanges once for each `refresh`."""

    process: "subprocess.Popen[str]"

    def refresh(self) -> dict[str, Any]:
        """Exchange anew, and give `token` or `error`."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def token(self) -> str:
        """Exchange anew and give the token."""
        answer = self.refresh()
        assert "token" in answer, answer
        return str(answer["token"])

    def close(self) -> None:
        """End it."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def python_client(environment: Mapping[str, str]) -> Client:
    """Start google-auth."""
    return _start([sys.executable, "-W", "ignore", "-c", _PYTHON], environment)


def find_node() -> tuple[str, str] | None:
    """Find node and the folder whose modules have google-auth-library; None: one is not there."""
    node, folder = shutil.which("node"), os.environ.get(NODE_FOLDER, "")
    if node is None or not (Path(folder) / "node_modules" / "google-auth-library").is_dir():
        return None
    return node, folder


def node_client(environment: Mapping[str, str]) -> Client | None:
    """Start google-auth-library for Node; None: it is not there."""
    found = find_node()
    if found is None:
        return None
    node, folder = found
    return _start([node, "-e", _NODE], environment, folder=folder)


def exports(text: str) -> dict[str, str]:
    """Give the environment variables among the lines that a command printed for a shell."""
    found = [shlex.split(line)[1] for line in text.splitlines() if line.startswith("export ")]
    return dict(each.split("=", 1) for each in found)


def _start(command: list[str], environment: Mapping[str, str], folder: str | None = None) -> Client:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}
    bound = shutil.which("timeout")
    prefix = [bound, str(LIMIT)] if bound else []
    return Client(
        subprocess.Popen(
            [*prefix, *command],
            env={**clean, **environment},
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    )
