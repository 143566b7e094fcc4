"""One settings file, several publications."""

from pathlib import Path
from typing import Any

import pytest

from publisher.cli.session import gravest
from publisher.errors import ExitStatus
from tests import keys
from tests.cli.running import Place, Ran, execute, invoke


class Fleet:
    """A settings file of publications, each with a directory; they share one bundle unless told otherwise."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.file = place.folder / "publications.toml"
        self.tables: list[str] = []
        self.top = f'source = "file:{place.bundle}"\ntrust_domain = "example.org"\nverify_url = false\n'

    def add(self, name: str, **members: str) -> Path:
        sink = self.place.folder / name
        sink.mkdir(exist_ok=True)
        members = {"issuer": f"https://{name}.example", "sink": str(sink)} | members
        lines = [f'{member} = "{value}"' for member, value in members.items() if value]
        self.tables.append("\n".join(["[[publication]]", f'name = "{name}"', *lines]))
        return sink

    def run(self, *arguments: str, command: str = "publish") -> Ran:
        self.file.write_text("\n\n".join([self.top, *self.tables]) + "\n")
        return invoke(command, "--config", str(self.file), *arguments)


@pytest.fixture
def fleet(place: Place) -> Fleet:
    return Fleet(place)


def statuses(ran: Ran) -> dict[str, int]:
    return {one["name"]: one["exit_status"] for one in ran.json["publications"]}


def test_all_are_published_and_named(fleet: Fleet) -> None:
    sinks = [fleet.add(name) for name in ("a", "b", "c")]
    ran = fleet.run()
    assert ran.status == 0
    assert all((sink / "keys").is_file() for sink in sinks)
    assert "a: + one ES256\n" in ran.out
    assert [line for line in ran.out.splitlines() if line.startswith("c: published")]


def test_one_failure_stops_no_other(fleet: Fleet) -> None:
    good = fleet.add("good")
    fleet.add("gone", sink=str(fleet.place.folder / "nowhere"))
    fleet.add("bad", issuer="http://bad.example")
    fleet.add("lacking", sink="")
    ran = fleet.run("--output", "json")
    assert statuses(ran) == {"good": 0, "gone": 78, "bad": 78, "lacking": 78}
    assert ran.status == 78
    assert (good / "keys").is_file()
    assert "publication lacking: has no sink" in ran.messages
    assert "line 18: issuer" in ran.messages
    text = fleet.run()
    assert "gone: failed, see the log" in text.out


def test_unsafe_counts_before_settings(fleet: Fleet) -> None:
    fleet.add("gone", sink=str(fleet.place.folder / "nowhere"))
    fleet.add("unsafe", trust_domain="other.example", source=f"file:{fleet.place.folder}/agent.json")
    (fleet.place.folder / "agent.json").write_bytes(keys.agent_output({"example.org": keys.jwks("one")}))
    fleet.add("down", source="bundle-endpoint:https://127.0.0.1:1")
    ran = fleet.run("--output", "json", "--timeout", "3")
    assert statuses(ran) == {"gone": 78, "unsafe": 65, "down": 75}
    assert ran.status == 65


def test_the_order_of_exit_statuses() -> None:
    every = list(ExitStatus)
    order = [ExitStatus.UNSAFE, ExitStatus.SETTINGS, ExitStatus.TEMPORARY, ExitStatus.USAGE, ExitStatus.FOUND]
    for status in order:
        assert gravest(every) == status
        every.remove(status)
    assert gravest(every) == gravest([]) == ExitStatus.DONE


def test_one_by_name_takes_an_override_for_itself(fleet: Fleet) -> None:
    first, second = fleet.add("a"), fleet.add("b")
    assert fleet.run().status == 0
    fleet.place.has("nine")
    refused = fleet.run()
    assert refused.status == 65
    assert "with --publication b only" in refused.messages
    everywhere = fleet.run("--accept-disjoint-keys")
    assert everywhere.status == 2
    assert "choose one with --publication NAME" in everywhere.messages
    assert fleet.run("--accept-disjoint-keys", "--publication", "b").status == 0
    assert b"nine" in (second / "keys").read_bytes()
    assert b"nine" not in (first / "keys").read_bytes()


@pytest.mark.parametrize(
    ("option", "variable"), [(("--sink", "/x"), {}), ((), {"SPIRE_OIDC_PUBLISHER_STATE_FILE": "/x"})]
)
def test_options_of_one_beside_several(
    fleet: Fleet, option: tuple[str, ...], variable: dict[str, Any]
) -> None:
    fleet.add("a")
    fleet.add("b")
    fleet.run("--dry-run")
    ran = invoke("publish", "--config", str(fleet.file), *option, **variable)
    assert ran.status == 2
    assert not (fleet.place.folder / "a/keys").exists()


def test_an_unknown_member_stops_everything(fleet: Fleet) -> None:
    sink = fleet.add("a")
    fleet.add("b", sinck="x")
    ran = fleet.run("--output", "json")
    assert ran.status == ran.json["exit_status"] == 78
    assert "line 15" in ran.json["error"]["where"]
    assert "unknown member 'sinck'; did you mean sink?" in ran.messages
    assert not (sink / "keys").exists()


def test_two_with_one_sink_stop_everything(fleet: Fleet) -> None:
    sink = fleet.add("a")
    fleet.add("b", sink=f"directory:{sink}/")
    ran = fleet.run()
    assert ran.status == 78
    assert "publication b: has the same sink" in ran.messages
    assert not (sink / "keys").exists()


def test_equal_sources_are_fetched_once(fleet: Fleet) -> None:
    for number in range(20):
        fleet.add(f"p{number}")
    fleet.add("other", source="file:" + str(fleet.place.folder / "copy.json"))
    (fleet.place.folder / "copy.json").write_bytes(fleet.place.bundle.read_bytes())
    ran = fleet.run("-v")
    assert ran.status == 0
    assert ran.messages.count("DEBUG fetched") == 2
    assert {entry.get("publication") for entry in ran.log if "wrote" in entry["message"]} >= {
        "p0",
        "p19",
        "other",
    }


def test_standard_input_serves_all(fleet: Fleet) -> None:
    fleet.top = fleet.top.replace(f"file:{fleet.place.bundle}", "file:-")
    sinks = [fleet.add(name) for name in "abc"]
    fleet.run("--dry-run")
    ran = execute("publish", "--config", str(fleet.file), stdin=fleet.place.bundle.read_bytes())
    assert ran.status == 0
    assert all((sink / "keys").is_file() for sink in sinks)


def test_a_source_that_fails_fails_for_all_that_share_it(fleet: Fleet) -> None:
    fleet.add("a")
    fleet.add("b")
    fleet.place.bundle.write_text("{}")
    assert statuses(fleet.run("--output", "json")) == {"a": 65, "b": 65}


def test_render_takes_them_all_and_document_only_one(fleet: Fleet) -> None:
    fleet.add("a")
    fleet.add("b")
    ran = fleet.run(command="render")
    assert ran.out.count("# a: keys\n") == ran.out.count("# b: keys\n") == 1
    assert fleet.run("--document", "jwks", command="render").status == 2
    exact = fleet.run("--document", "jwks", "--publication", "b", command="render")
    assert exact.out.startswith('{"keys":[')


def test_settings_of_the_run_come_from_the_top(fleet: Fleet) -> None:
    fleet.top += 'output = "json"\ndry_run = true\nquiet = true\ntimeout = 20\n'
    sink = fleet.add("a")
    ran = fleet.run()
    assert ran.json["publications"][0]["dry_run"] is True
    assert not (sink / "keys").exists()
