"""The fragments of the change log are ones that towncrier takes."""

import re
import subprocess
import sys

from tests.docs.pages import ROOT, page

FRAGMENTS = sorted(path for path in (ROOT / "changes").iterdir() if path.name != "README.md")
_NAME = re.compile(r"[1-9][0-9]*\.(?P<type>[a-z]+)(?:\.[1-9][0-9]*)?\.md")


def test_every_fragment_has_a_number_and_a_type_that_the_readme_lists() -> None:
    listed = set(re.findall(r"^\| `([a-z]+)` \|", page("changes/README.md").text, flags=re.MULTILINE))
    types = {match["type"] if (match := _NAME.fullmatch(path.name)) else path.name for path in FRAGMENTS}
    assert types <= listed


def test_towncrier_makes_a_change_log_of_them() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "0.1.0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    for path in FRAGMENTS:
        if ".misc." not in path.name:
            assert path.read_text().split()[0] in made
