import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.errors import SettingsError
from publisher.spire_plugin.hcl import LARGEST, parse

READ = {
    "": {},
    "  \n# nothing\n// at all\n/* not\neven\nthis */": {},
    'a = "x"': {"a": "x"},
    'a = "x"  b = "y"': {"a": "x", "b": "y"},
    'a = "x", b = "y",': {"a": "x", "b": "y"},
    '"a" = "x"': {"a": "x"},
    'a="x"#c\nb=1//d\nc=true/*e*/d=false': {"a": "x", "b": 1, "c": True, "d": False},
    "a = 0": {"a": 0},
    "a = -5": {"a": -5},
    "a = []": {"a": []},
    'a = ["x", 1, true,]': {"a": ["x", 1, True]},
    'a = [\n  "x", # first\n  "y"\n]': {"a": ["x", "y"]},
    r'a = "q\"u\\o\tt\n\u00e9\x41\U0001F600"': {"a": 'q"u\\o\tt\n\u00e9A\U0001f600'},
    'a = "# no comment"': {"a": "# no comment"},
    'a = "$x {y} $"': {"a": "$x {y} $"},
    'a-b.c_d = "\u00e9"': {"a-b.c_d": "\u00e9"},
}

REFUSED = {
    'a = "x"\nb = 1\na = "y"': "line 3: a is there already, at line 1",
    '"a" = "x"\na = "y"': "line 2: a is there already",
    'a = "x': "line 1: a string has no end",
    'a = "x\ny"': "line 1: a string has no end",
    "/* a\n": "line 1: a comment has no end",
    "\n\na = 'x'": 'line 3: "\'" is not HCL',
    "a = <<E\nx\nE": "line 1: a heredoc is not read here",
    "a = <<-E\nx\nE": "a heredoc is not read here",
    'a = "${x}"': "nothing is interpolated here",
    "a = 1.5": "no whole number in decimal",
    "a = 1e400": "no whole number in decimal",
    "a = 010": "no whole number in decimal",
    "a = 0x10": "no whole number in decimal",
    "a = 9999999999999999999": "no whole number in decimal",
    "a = yes": "is no string, number, boolean or list",
    "a =": "is no string, number, boolean or list",
    "a": "'a' has no value",
    "a b": "'a' has no value",
    "a {\n}": "'a' is a block",
    'a "b" {\n}': "'a' is a block",
    "a = {}": "is no string, number, boolean or list",
    'a = ["x" "y"]': "the list of 'a' has no end",
    'a = ["x"': "the list of 'a' has no end",
    "a = [[1]]": "is no string, number, boolean or list",
    "= 1": "is no member",
    "}": "is no member",
    r'a = "\q"': "an unknown escape",
    r'a = "\ud800"': "an unknown escape",
    r'a = "\xc3\xa9"': "an unknown escape",  # to SPIRE's parser an e with an accent: \x is a byte there
    r'a = "\UFFFFFFFF"': "an unknown escape",
    "x" * (LARGEST + 1): "more than 262144",
    "a = [" + "1," * 1001 + "]": "more than 1000 elements",
    "".join(f"a{number} = 1\n" for number in range(1001)): "line 1001: more than 1000 members",
}


@pytest.mark.parametrize("text", READ)
def test_read(text: str) -> None:
    assert {name: member.value for name, member in parse(text).items()} == READ[text]


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:20])
def test_refused(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text)
    assert REFUSED[text] in str(caught.value)
    assert caught.value.remedy


def test_every_member_has_its_line() -> None:
    members = parse('\n# one\na = [\n"x",\n"y"]\n/* \n */ b = 1')
    assert {name: member.line for name, member in members.items()} == {"a": 3, "b": 7}


@given(st.text(max_size=200))
def test_whatever_it_is_it_is_read_or_refused(text: str) -> None:
    try:
        said = repr(parse(text))
    except SettingsError as error:
        said = str(error)
    assert said.isprintable()


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text(max_size=20), max_size=5))
def test_strings_come_back(members: dict[str, str]) -> None:
    def quoted(text: str) -> str:
        return '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'

    text = "\n".join(f"{name} = {quoted(value)}" for name, value in members.items())
    assert {name: member.value for name, member in parse(text).items()} == members
