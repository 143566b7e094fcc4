"""What `watch` refuses before anything begins."""

import json
import socket

import pytest

from tests.cli.running import Place, execute
from tests.cli.test_several import Fleet

BAD = {
    "confirmed too seldom": (("--confirm-every", "2h"), "is not below --due-after"),
    "confirmed too seldom for a short time": (("--due-after", "4m"), "is not below --due-after"),
    "standard input": (("--source", "file:-"), "standard input can be read once only"),
    "metrics for everybody": (("--metrics-listen", "0.0.0.0:9464"), "not an address of the loopback"),
    "metrics without a port": (("--metrics-listen", "127.0.0.1"), "is not an IP address and a port"),
    "bounds that cross": (("--shortest-refresh", "6m"), "is above --longest-refresh"),
    "an override": (("--accept-disjoint-keys",), "No such option"),
}


@pytest.mark.parametrize(("options", "said"), BAD.values(), ids=BAD)
def test_bad_values(place: Place, options: tuple[str, ...], said: str) -> None:
    ran = execute("watch", *place.options, *options)
    assert ran.status == 2
    assert said in ran.messages
    assert ran.out == ""
    assert place.written == []


def test_a_bad_value_of_the_environment(place: Place) -> None:
    ran = execute("watch", *place.options, SPIRE_OIDC_PUBLISHER_CONFIRM_EVERY="1h")
    assert ran.status == 78
    assert "SPIRE_OIDC_PUBLISHER_CONFIRM_EVERY" in ran.messages


def test_an_address_that_somebody_has(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = execute("watch", *place.options, "--metrics-listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert ran.status == 78
    assert "address already in use" in ran.messages
    assert place.written == []


def test_one_bad_publication_of_several_keeps_all_from_beginning(place: Place) -> None:
    fleet = Fleet(place)
    good = fleet.add("good")
    fleet.add("bad", issuer="http://bad.example")
    fleet.file.write_text("\n\n".join([fleet.top, *fleet.tables]) + "\n")
    ran = execute("watch", "--config", str(fleet.file))
    assert ran.status == 78
    assert "1 of 2 publications have bad settings: nothing is begun" in ran.messages
    assert {json.loads(line).get("publication") for line in ran.err.splitlines()} == {"bad", None}
    assert list(good.iterdir()) == []
