"""The plugin's files for operators: configuration, image, and every `plugin_data` of the documentation."""

import re
import sys
from pathlib import Path

import pytest

from publisher.spire_plugin import settings
from publisher.spire_plugin.configuration import configuration
from tests.docs.pages import ROOT, pages
from tests.plugin.host import Host

FOLDER = ROOT / "deploy" / "spire-plugin"
CONTAINERFILE = (FOLDER / "Containerfile").read_text()
PROGRAM = FOLDER / "spire-oidc-publisher"
DATA = re.compile(r"plugin_data \{(.*?)\}\n", re.DOTALL)
INSTRUCTION = re.compile(r"^([A-Z]+) (.+(?:\\\n.+)*)$", re.MULTILINE)


def shown() -> list[tuple[str, str]]:
    """Give the plugin_data of every page and file that is ours, with its place."""
    texts = [(page.name, block) for page in pages() for block in page.blocks("hcl")]
    texts.append(("deploy/spire-plugin/server.conf", (FOLDER / "server.conf").read_text()))
    return [
        (where, data)
        for where, text in texts
        for data in DATA.findall(f"{text}\n")
        if "issuer" in data or "config_file" in data
    ]


@pytest.mark.parametrize(("where", "text"), shown(), ids=lambda value: value.strip()[:40])
def test_what_is_shown_is_accepted(where: str, text: str, tmp_path: Path) -> None:
    if settings.CONFIG_FILE in text:
        file = tmp_path / "publisher.toml"
        file.write_text('sink = "gs://my-bucket"\nissuer = "https://storage.googleapis.com/my-bucket"\n')
        text = f'{settings.CONFIG_FILE} = "{file}"'
    (one,) = settings.read(text, "example.org").publications
    assert one.target.sink.uri == "gs://my-bucket", where


def test_the_configuration_is_shown_somewhere() -> None:
    assert {where for where, _ in shown()} >= {"docs/spire-plugin.md", "deploy/spire-plugin/server.conf"}


def test_the_file_and_the_command_show_the_same() -> None:
    printed = configuration(PROGRAM, sink="gs://my-bucket", issuer=None, name="oidc")
    file = (FOLDER / "server.conf").read_text()
    for member in ("plugin_args", "sink  ", "issuer"):
        found = re.findall(f"^ *{member} *=(.*)$", printed, re.MULTILINE)
        (line,) = {one.strip() for one in found}
        assert line in file
    assert 'BundlePublisher "oidc"' in file


def test_the_readme_names_every_file() -> None:
    readme = (FOLDER / "README.md").read_text()
    names = {path.name for path in FOLDER.iterdir() if path.is_file()} - {"README.md"}
    assert {name for name in names if f"| `{name}` |" in readme} == names


def test_what_the_image_copies_is_there() -> None:
    copied = [words.split() for name, words in INSTRUCTION.findall(CONTAINERFILE) if name == "COPY"]
    here = [name for words in copied if not words[0].startswith("--from=") for name in words[:-1]]
    assert [name for name in here if not (ROOT / name).exists()] == []
    # The name of the virtual environment is in its programs: it must not move between the stages.
    assert ["--from=build", "/app", "/app"] in copied
    assert PROGRAM.read_text().startswith("#!/app/venv/bin/python\n")


def test_the_image_is_locked_and_runs_as_nobody_special() -> None:
    assert "--require-hashes --requirement requirements/runtime.txt" in CONTAINERFILE
    last = dict(INSTRUCTION.findall(CONTAINERFILE.rpartition("\nFROM ")[2]))
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"])
    assert (last["STOPSIGNAL"], last["ENTRYPOINT"]) == ("SIGTERM", '["/opt/spire/bin/spire-server", "run"]')


def test_the_program_of_the_image_is_a_plugin(tmp_path: Path) -> None:
    host = Host(tmp_path, command=(sys.executable, str(PROGRAM), "spire-plugin"))
    try:
        host.shake_hands()
        valid, notes = host.validate('sink = "gs://my-bucket"\nissuer = "https://issuer.example"')
        assert (valid, notes) == (True, [])
    finally:
        host.close()
