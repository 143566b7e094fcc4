"""`make demo`: the main job, end to end, told to somebody who has never seen SPIFFE.

Everything runs on this machine: SPIRE (the real one from SPIRE_BIN or the PATH, else the tests' stand-in),
the real command line, a web server on loopback, and PyJWT as the relying party.
"""

import json
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jwcrypto.jwk import JWK
from jwt import InvalidTokenError, PyJWKClientError

from tests.conformance.relying_parties import RelyingParty
from tests.conformance.static_server import StaticServer, serve
from tests.peers.certificates import write_certificates
from tests.peers.peer import PeerOptions, SpirePeer
from tests.peers.start import SPIRE, best_kind, start_peer

AUDIENCE = "https://storage.example/upload"
SECONDS = 60


def say(text: str = "") -> None:
    print(text, flush=True)


class Demo:
    """Tell the story with one SPIRE, one web server and one folder."""

    def __init__(self, peer: SpirePeer, server: StaticServer, folder: Path) -> None:
        self.peer, self.server, self.folder = peer, server, folder
        self.steps = 0
        self.shown: set[str] = set()

    def step(self, text: str) -> None:
        self.steps += 1
        say(f"\n{self.steps}. {text}")

    def run(self, *arguments: str, expect: int = 0) -> str:
        """Run our command as an operator would and show what it prints."""
        command = [sys.executable, "-m", "publisher", *arguments]
        shown = shlex.join(["spire-oidc-publisher", *arguments])
        say("\n   $ (the same command)" if shown in self.shown else f"\n   $ {shown}")
        self.shown.add(shown)
        ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        for line in (ended.stdout + _logged(ended.stderr)).splitlines():
            say(f"     {line}")
        if ended.returncode != expect:
            raise SystemExit(f"the command ended with {ended.returncode} and not with {expect}")
        return ended.stdout

    def publish(self, *, expect: int = 0) -> str:
        return self.run(
            "publish",
            *("--source", f"server-api:{self.peer.server_api}"),
            *("--sink", str(self.folder)),
            *("--issuer", self.server.issuer),
            *("--ca-file", str(self.server.ca_file)),
            expect=expect,
        )

    def verify(self, token: str, who: str) -> None:
        """Be a relying party that was told one thing: the issuer's URL."""
        claims = RelyingParty(self.server.issuer, self.server.ca_file).pyjwt(token, AUDIENCE)
        say(f"   {who} accepted: sub = {claims['sub']}")

    def refuse(self, token: str, who: str) -> None:
        try:
            RelyingParty(self.server.issuer, self.server.ca_file).pyjwt(token, AUDIENCE)
        except (InvalidTokenError, PyJWKClientError) as error:
            say(f"   {who} refused: {error}")
        else:
            raise SystemExit(f"{who} should have been refused")

    def tell(self) -> None:
        self.step("Publish SPIRE's public keys as two small JSON files, and read them back over https.")
        self.publish()

        self.step("Be somebody who has never heard of this SPIRE: verify a token, knowing only the issuer.")
        first = self.peer.mint_at_server(AUDIENCE)
        self.verify(first, "the token")

        self.step("Run it again. Nothing changed, so only the time of confirmation is written.")
        self.publish()

        self.step("SPIRE prepares its next key. It does not sign yet, but verifiers must learn it now.")
        self.peer.prepare()
        self.publish()

        self.step("The new key takes over. Tokens of the new and of the old key both verify: no outage.")
        self.peer.activate()
        second = self.peer.mint_at_server(AUDIENCE)
        self.verify(second, "a token of the new key")
        self.verify(first, "a token of the old key")

        self.step("The old key leaked. SPIRE revokes it, we publish, and its tokens are refused.")
        self.peer.taint()
        self.peer.revoke()
        self.publish()
        self.verify(second, "a token of the new key")
        self.refuse(first, "the token of the revoked key")

        self.step("Somebody else writes a key of their own into the folder. It is removed, and said loudly.")
        keys = self.folder / "keys"
        document = json.loads(keys.read_bytes())
        stranger = json.loads(_stranger_key())
        keys.write_text(json.dumps({"keys": [*document["keys"], stranger]}))
        self.publish()

        self.step("SPIRE loses everything and starts anew. Replacing every key at once is refused (exit 65).")
        self.peer.lose_keys_and_datastore()
        before = keys.read_bytes()
        self.publish(expect=65)
        if keys.read_bytes() != before:
            raise SystemExit("the published keys were touched")
        say("   The published files are untouched. A person decides, and says so for one run.")

        self.step("Look at it as a monitor would.")
        self.run("check", "--issuer", self.server.issuer, "--ca-file", str(self.server.ca_file))


def _stranger_key() -> str:
    key = JWK.generate(kty="EC", crv="P-256", kid="not-from-spire", use="sig", alg="ES256")
    return str(key.export_public())


def _logged(stderr: str) -> str:
    """Show log lines, which are JSON when nobody looks, as a person would see them."""
    shown = []
    for line in stderr.splitlines():
        record = json.loads(line)
        shown.append(f"{record['severity']}: {record['message']}\n")
    return "".join(shown)


def main() -> None:
    """Tell the story once, in a folder that is removed afterwards."""
    started = time.monotonic()
    kind = best_kind()
    say("SPIRE gives programs identities: short-lived signed tokens. Clouds accept such a token if they")
    say("can read the signer's public keys at an https address. This publishes them, without a server.")
    who = "SPIRE, the real one" if kind == SPIRE else "the tests' stand-in for SPIRE"
    say(f"\nStarting {who}, and a web server for the folder that stands for your bucket ...")
    with tempfile.TemporaryDirectory(prefix="demo-") as name:
        root = Path(name)
        folder = root / "published"
        folder.mkdir()
        with serve(folder, write_certificates(root)) as server:
            peer = start_peer(kind, PeerOptions(jwt_issuer=server.issuer))
            try:
                say(f"   {peer.name}; trust domain {peer.trust_domain}; issuer {server.issuer}")
                Demo(peer, server, folder).tell()
            finally:
                peer.stop()
    say(f"\nThat was all, in {time.monotonic() - started:.0f} s. With a bucket it is the same command:")
    say("   spire-oidc-publisher publish --source workload-api: --sink gs://my-bucket \\")
    say("       --issuer https://storage.googleapis.com/my-bucket")


if __name__ == "__main__":
    main()
