"""The picture in the docs is drawn by the code that explains."""

from pathlib import Path

from tests.cli.running import invoke

PICTURE = Path(__file__).parents[2] / "docs/rotation.svg"


def test_the_picture_in_the_docs_is_what_explain_draws_at_the_defaults(tmp_path: Path) -> None:
    drawn = tmp_path / "rotation.svg"
    assert invoke("explain", "--picture", str(drawn)).status == 0
    assert drawn.read_bytes() == PICTURE.read_bytes(), "renew it: spire-oidc-publisher explain --picture"
