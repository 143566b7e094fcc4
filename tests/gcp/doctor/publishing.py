"""Publish a SPIRE's keys with our own command, and put what it wrote onto an issuer's site."""

from pathlib import Path

from tests.cli.running import invoke
from tests.gcp.doctor.issuer_site import CONFIGURATION, ISSUER, KEYS, MANIFEST, Page, Site
from tests.peers.peer import SpirePeer


def publish(peer: SpirePeer, site: Site, folder: Path) -> None:
    """Publish once, with the manifest, which says since when each key is public."""
    place = folder / "public"
    place.mkdir(exist_ok=True)
    source = f"workload-api:{peer.workload_api}"
    words = ("--sink", f"directory:{place}", "--issuer", ISSUER, "--no-verify-url")
    ran = invoke("publish", "--source", source, *words)
    assert ran.status == 0, ran.err
    for path in (CONFIGURATION, KEYS, MANIFEST):
        site.pages[path] = Page(body=(place / path.removeprefix("/")).read_bytes())
