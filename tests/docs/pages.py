"""Read the documentation as data: pages, fenced blocks, headings, links."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[a-z]*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_OPERATOR = re.compile(r"[|&;<>()]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Hold one Markdown file."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def prose(self) -> str:
        """Give the text without its fenced blocks."""
        return _FENCE.sub("", self.text)

    def blocks(self, *languages: str) -> Iterator[str]:
        for match in _FENCE.finditer(self.text):
            if match["language"] in languages:
                yield "\n".join(line.removeprefix(match["indent"]) for line in match["body"].splitlines())

    def headings(self) -> list[str]:
        return _HEADING.findall(self.prose)

    def anchors(self) -> set[str]:
        """Give the anchors that hosting platforms make of headings."""
        return {_slug(heading) for heading in self.headings()}

    def links(self) -> list[str]:
        return _LINK.findall(self.prose)

    def section(self, heading: str) -> str:
        """Give the text below a heading, up to the next one of any level."""
        return self.sections()[heading]

    def sections(self) -> dict[str, str]:
        """Give what stands below each heading."""
        parts = _HEADING.split(self.prose)
        return dict(zip(parts[1::2], parts[2::2], strict=True))


def pages() -> list[Page]:
    """Give every Markdown file of the project, hidden folders left out."""
    found = sorted(
        path
        for path in ROOT.rglob("*.md")
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    )
    return [Page(path=path, text=path.read_text()) for path in found]


def page(name: str) -> Page:
    path = ROOT / name
    return Page(path=path, text=path.read_text())


def commands(block: str) -> Iterator[list[str]]:
    """Give the simple commands of a shell block: pipes, lists and redirections taken apart."""
    for line in block.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line.strip().removeprefix("$ "), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        redirected = False
        for word in lexer:
            if not _OPERATOR.fullmatch(word):
                if not redirected:
                    words.append(word)
                redirected = False
            elif "<" in word or ">" in word:
                redirected = True
            else:
                yield words
                words = []
        yield words


def _slug(heading: str) -> str:
    plain = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
