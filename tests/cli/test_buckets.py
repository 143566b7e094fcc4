"""Several publications to one emulator: one client, shared and closed."""

from typing import Any

from tests.cli.running import Place, invoke
from tests.emulator.fixtures import bucket, emulator
from tests.emulator.server import Emulator

__all__ = ["bucket", "emulator"]


def test_publications_to_buckets(place: Place, emulator: Emulator, bucket: str) -> None:
    tables = [
        f'[[publication]]\nname = "{name}"\nsink = "gs://{bucket}/{name}"\n'
        f'issuer = "https://storage.googleapis.com/{bucket}/{name}"\n'
        for name in ("a", "b")
    ]
    wrong = f'[[publication]]\nname = "wrong"\nsink = "gs://{bucket}"\nissuer = "https://wrong.example"\n'
    top = f'source = "file:{place.bundle}"\ntrust_domain = "example.org"\nverify_url = false\ntimeout = 60\n'
    file = place.folder / "p.toml"
    file.write_text("\n".join([top, *tables, wrong]))
    environment: dict[str, Any] = dict(emulator.environment)
    ran = invoke("publish", "--config", str(file), "--output", "json", **environment)
    assert {one["name"]: one["exit_status"] for one in ran.json["publications"]} == {
        "a": 0,
        "b": 0,
        "wrong": 78,
    }
    assert [one["sink"] for one in ran.json["publications"]][:2] == [f"gs://{bucket}/a", f"gs://{bucket}/b"]
    assert ran.status == 78
    again = invoke("publish", "--config", str(file), "--publication", "a", **environment)
    assert "nothing to do, confirmed" in again.out
