from pathlib import Path

import pytest

from publisher.errors import SettingsError
from publisher.settings.settings_file import LARGEST, SettingsFile

PATH = Path("p.toml")


def parse(text: str | bytes) -> SettingsFile:
    return SettingsFile.parse(PATH, text.encode() if isinstance(text, str) else text)


def test_a_file_of_defaults_and_two_publications() -> None:
    file = parse(
        'source = "file:-"\ntimeout = 5\n\n[[publication]]\nname = "a"\nsink = "x"\n'
        '\n# the other\n[[publication]]\nname = "b.c-d_E"\nverify_url = false\n'
    )
    assert file.top.members == {"source": "file:-", "timeout": 5}
    assert [(table.name, table.line_of(None)) for table in file.tables] == [("a", 4), ("b.c-d_E", 9)]
    assert file.tables[1].line_of("verify_url") == 11
    assert file.place(4) == "'p.toml' line 4"


def test_an_empty_file_is_one_publication_without_settings() -> None:
    assert parse("").tables == ()


TWO = '[[publication]]\nname = "a"\n[[publication]]\nname = "b"\n'
BAD = [  # a name, the text, where, what
    ("not TOML", 'issuer = "x"\nsink = \n', "line 2", "is not TOML"),
    ("an unknown member", 'issuer = "x"\n\nisuer = "y"\n', "line 3", "'isuer'; did you mean issuer?"),
    ("an unknown member far from all", "\nzzzzzzz = 1\n", "line 2", "see docs/settings.md"),
    ("an unknown table", "[nope]\nx = 1\n", "line 1", "unknown member 'nope'"),
    ("unknown in a table", TWO + '# c\nsinck = "x"\n', "line 6", "'sinck'; did you mean sink?"),
    ("unknown in the first of two", '[[publication]]\nname = "a"\nx = 1\n' + TWO, "line 3", "member 'x'"),
    ("after a text of several lines", 'issuer = """\na\nb\n"""\n# c\n\nbad = 1\n', "line 7", "'bad'"),
    ("on several lines itself", "timeout = 5\nbad = [\n 1,\n 2,\n]\nquiet = true\n", "line 2", "'bad'"),
    ("dotted", "timeout = 5\na.b = 1\n", "line 2", "'a'"),
    ("an inline table", 'publication = [\n {name = "a", bad = 1},\n]\n', "line 1", "'bad'"),
    ("hostile", '"\\u001b[2J" = 1\n', "line 1", r"unknown member '\x1b[2J'"),
    ("an override", "\naccept_disjoint_keys = true\n", "line 2", "command line only, for one run"),
    ("an override in a table", TWO + "accept_lower_sequence = true\n", "line 5", "command line only"),
    ("the file's own name", 'config = "x"\n', "line 1", "on the command line or in the environment only"),
    ("of the run in a table", TWO + "timeout = 5\n", "line 5", "belongs to the top of the file"),
    ("a name at the top", 'name = "x"\n', "line 1", "name belongs to a [[publication]] table"),
    ("dashes", 'jwks-path = "x"\n', "line 1", "did you mean jwks_path?"),
    ("a number for text", "\nissuer = 1\n", "line 2", "issuer is of the wrong type; write a string"),
    ("a text for a boolean", 'verify_url = "false"\n', "line 1", "write true or false"),
    ("a boolean for a time", "jwks_max_age = true\n", "line 1", "write whole seconds or a string like 15m"),
    ("a fraction for a time", "jwks_max_age = 1.5\n", "line 1", "wrong type"),
    ("a date", "issuer = 2026-01-01\n", "line 1", "wrong type"),
    ("a table for text", TWO + '[publication.issuer]\nx = "y"\n', "line 5", "issuer is of the wrong type"),
    ("no array of tables", '\n[publication]\nname = "x"\n', "line 2", "write [[publication]] above each one"),
    ("an empty array", "timeout = 5\npublication = []\n", "line 2", "no array of tables"),
    ("no name", '[[publication]]\nname = "a"\n\n[[publication]]\nsink = "x"\n', "line 4", "has no name"),
    ("a bad name", '[[publication]]\nname = "a b"\n', "line 1", "'a b' is not a name"),
    ("a name twice", TWO + TWO, "line 5", "has the name of the one at line 1"),
    ("not UTF-8", b'# a\nissuer = "\xff"\n', "line 2", "is not UTF-8"),
    ("too large", b"#" * (LARGEST + 1), "p.toml", "more than the limit"),
    ("endless digits", "timeout = " + "1" * 5000, "p.toml", "is not TOML"),
    ("endless nesting", "timeout = " + "[" * 100000, "p.toml", "nested too deeply"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "where", "what"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_what_is_wrong_is_said_with_its_line(text: str | bytes, where: str, what: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text)
    message = str(caught.value)
    assert where in message
    assert what in message
    assert message.isprintable()
    assert caught.value.exit_status == 78


def test_lines_are_found_in_a_long_file() -> None:
    tables = "".join(f'[[publication]]\nname = "p{number}"\nsink = "s{number}"\n\n' for number in range(500))
    file = parse(tables)
    assert file.tables[499].line_of(None) == 1997
    assert file.tables[250].line_of("sink") == 1003
