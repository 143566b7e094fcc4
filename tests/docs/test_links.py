"""What the documentation points at is there: pages, headings, files, make targets, records."""

import re

import pytest

from tests.docs.pages import ROOT, Page, page, pages

PAGES = pages()
_OUTSIDE = ("https://", "http://", "mailto:")
_FILE = re.compile(r"`((?:tests|docs|publisher|deploy|requirements|changes|\.ci)/[A-Za-z0-9_./-]+)`")
_TARGET = re.compile(r"^([a-z][a-z0-9-]*):", re.MULTILINE)
_MADE = re.compile(r"(?:`|^ *|&& )(?:[A-Z_]+=\S+ )?make ([a-z][a-z0-9-]*)", re.MULTILINE)


def broken_links(document: Page) -> list[str]:
    broken = []
    for link in document.links():
        if link.startswith(_OUTSIDE):
            continue
        name, _, anchor = link.partition("#")
        path = (document.path.parent / name).resolve() if name else document.path
        if not path.exists() or (anchor and anchor not in Page(path=path, text=path.read_text()).anchors()):
            broken.append(link)
    return broken


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_every_link_leads_somewhere(document: Page) -> None:
    assert broken_links(document) == []


def test_this_test_would_notice_a_broken_link() -> None:
    text = "[a](docs/nothing.md) [b](#nowhere) [c](docs/findings.md#rot999) [d](docs/findings.md#rot001)\n"
    document = Page(path=ROOT / "README.md", text=text)
    assert broken_links(document) == ["docs/nothing.md", "#nowhere", "docs/findings.md#rot999"]


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_every_file_that_is_named_exists(document: Page) -> None:
    assert [name for name in _FILE.findall(document.text) if not (ROOT / name).exists()] == []


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(_TARGET.findall((ROOT / "Makefile").read_text()))
    named = {target for document in PAGES for target in _MADE.findall(document.text)}
    assert named >= {"demo", "test", "e2e", "check", "bench"}
    assert named <= targets


def test_contributing_explains_every_make_target() -> None:
    targets = set(_TARGET.findall((ROOT / "Makefile").read_text()))
    assert set(_MADE.findall(page("CONTRIBUTING.md").text)) >= targets


def test_every_page_is_reached_from_the_readme() -> None:
    reached = {ROOT / "README.md"}
    todo = list(reached)
    while todo:
        document = page(todo.pop().relative_to(ROOT).as_posix())
        for link in document.links():
            path = (document.path.parent / link.partition("#")[0]).resolve()
            if path.suffix == ".md" and path.exists() and path not in reached:
                reached.add(path)
                todo.append(path)
    assert {document.path for document in PAGES if document.name.startswith("docs/")} <= reached


def test_decisions_are_numbered_without_gaps_and_listed() -> None:
    names = sorted(path.name for path in (ROOT / "docs/adr").glob("0*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert page("docs/adr/README.md").links() == names
