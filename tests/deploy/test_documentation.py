"""The pages about deployment name what is shipped, and nothing that is not."""

import re

import pytest

from publisher.settings.options import OPTIONS
from tests.deploy.unit_files import DEPLOY, SYSTEMD, read_unit

PAGE = (DEPLOY.parent / "docs" / "deploy.md").read_text(encoding="utf-8")
README = (DEPLOY / "README.md").read_text(encoding="utf-8")
FOREIGN = {"--now", "--version", "--system", "--home-dir", "--shell"}
"""Long options of other programs that the page has the reader type, and our own `--version`."""


def test_the_readme_has_a_place_for_every_file() -> None:
    files = {str(path.relative_to(DEPLOY)) for path in DEPLOY.rglob("*") if path.is_file()} - {"README.md"}
    # docs/terraform.md and the READMEs of container and spire-plugin are the pages of the others.
    files = {name for name in files if not name.startswith(("terraform/", "container/", "spire-plugin/"))}
    listed = set(re.findall(r"`((?:systemd|cron|prometheus)/[^`]+|publisher\.toml)`", README))
    listed |= {name.removesuffix(".service") + ".timer" for name in listed if f"`{name}`, `.timer`" in README}
    listed |= (
        {f"systemd/examples/{path.name}" for path in (SYSTEMD / "examples").iterdir()}
        if ("systemd/examples/*.conf" in listed)
        else set()
    )
    assert files == listed - {"systemd/examples/*.conf"}


@pytest.mark.parametrize("name", sorted(path.name for path in (SYSTEMD / "examples").iterdir()))
def test_the_page_sends_the_reader_to_every_example(name: str) -> None:
    assert f"deploy/systemd/examples/{name}" in PAGE


def test_every_path_of_the_checkout_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"(?<![\w/.])deploy/[\w./*@-]*\w", PAGE))
    assert named
    assert [path for path in named if not list(DEPLOY.parent.glob(path))] == []


def test_every_option_that_the_pages_name_is_one_of_ours() -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE + README))
    assert named - {option.flag for option in OPTIONS} == FOREIGN


def test_the_page_tells_the_time_and_the_folder_that_the_unit_has() -> None:
    service = read_unit(SYSTEMD / "spire-oidc-publisher.service")["Service"]
    assert f"/var/lib/{service['StateDirectory'][0]}" in PAGE
    assert f"{service['MemoryMax'][0].removesuffix('M')} MB" in PAGE
    assert f"-selector unix:user:{service['User'][0]}" in re.sub(r"\s+", " ", PAGE)
