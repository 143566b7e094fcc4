"""`docs/function.md` lists the settings, metrics and limits that the function has."""

import re

from publisher.serving import metrics
from publisher.serving.status import State
from spire_oidc_function import keeper, reads
from spire_oidc_function.settings import OPTIONS
from tests.docs.pages import page
from tests.statuses import status

PAGE = page("docs/function.md")
ROWS = dict(re.findall(r"^\| `(SPIRE_OIDC_PUBLISHER_[A-Z_]+)` \| ([^|]*) \|", PAGE.text, re.MULTILINE))


def test_every_setting_is_listed_and_no_other() -> None:
    assert set(ROWS) == {option.variable for option in OPTIONS.values()}


def test_the_defaults_are_those_of_the_code() -> None:
    own = ("refresh-interval", "stale-policy", "refuse-after", "settle-time", "jwks-max-age", "jwks-path")
    for option in (OPTIONS[name] for name in own):
        assert f"`{option.default}`" in ROWS[option.variable]
    for option in (OPTIONS[name] for name in ("refresh-interval", "refuse-after", "settle-time")):
        assert "{} to {}".format(*option.bounds) in ROWS[option.variable]


def test_the_metrics_that_alarms_are_made_of_exist() -> None:
    named = set(re.findall(r"`(spire_oidc_[a-z_]+)", PAGE.text)) - {"spire_oidc_"}
    shown = metrics.render_metrics(status(State.FRESH)).decode()
    assert len(named) > 5
    assert {name for name in named if name.removesuffix("_total") not in shown} == set()


def test_the_limits_are_those_of_the_code() -> None:
    text = " ".join(PAGE.text.split())
    assert f"at most {keeper.PATIENCE:g} s" in text
    assert f"A read has {reads.READING:g} s" in text
    assert keeper.BESIDE == 0.75
    assert "three quarters of the interval" in text
