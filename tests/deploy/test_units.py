"""What the shipped units promise, read from their own lines."""

from pathlib import Path

import pytest

from publisher.cli.runs import GRACE_SECONDS
from publisher.errors import ExitStatus
from tests.deploy.unit_files import (
    PROGRAM,
    SETTINGS,
    SYSTEMD,
    Unit,
    UnitSyntaxError,
    command_of,
    read_unit,
    seconds,
    unit_names,
)

PUBLISHER, CHECK = "spire-oidc-publisher.service", "spire-oidc-publisher-check.service"
ALERT = "spire-oidc-publisher-alert@.service"


def only(unit: Unit, section: str, name: str) -> str:
    (value,) = unit[section][name]
    return value


@pytest.mark.parametrize("name", unit_names(".service", ".timer"))
def test_every_unit_is_read_without_a_line_that_systemd_would_ignore(name: str) -> None:
    assert read_unit(SYSTEMD / name)["Unit"]["Description"]


@pytest.mark.parametrize("line", ["Type", "[Service]\nType=one \\", "[Service]\nBad Name=1", "Type=simple"])
def test_the_reader_refuses_what_systemd_would_ignore(tmp_path: Path, line: str) -> None:
    (tmp_path / "x.service").write_text(line + "\n")
    with pytest.raises(UnitSyntaxError, match="line"):
        read_unit(tmp_path / "x.service")


@pytest.mark.parametrize("name", [PUBLISHER, CHECK])
def test_a_run_ends_by_itself_before_systemd_kills_it(name: str) -> None:
    unit = read_unit(SYSTEMD / name)
    command = command_of(unit)
    timeout = seconds(command[command.index("--timeout") + 1])
    starting = 5  # the interpreter and its imports, on a slow machine
    assert timeout + GRACE_SECONDS + starting < seconds(only(unit, "Service", "TimeoutStartSec"))


@pytest.mark.parametrize("name", [PUBLISHER, CHECK])
def test_no_failure_is_hidden_from_whoever_looks_at_the_unit(name: str) -> None:
    unit = read_unit(SYSTEMD / name)
    assert only(unit, "Service", "Type") == "oneshot"
    assert only(unit, "Service", "Restart") == "no"
    assert not {"SuccessExitStatus", "RestartForceExitStatus", "RemainAfterExit"} & unit["Service"].keys()
    assert not [name for name in unit["Unit"] if name.startswith(("Condition", "Assert"))]
    assert not only(unit, "Service", "ExecStart").startswith(("-", "+", "!"))
    assert only(unit, "Unit", "OnFailure") == "spire-oidc-publisher-alert@%p.service"
    assert (SYSTEMD / ALERT).is_file()


def test_the_alert_is_silent_about_the_temporary_exit_status_only() -> None:
    unit = read_unit(SYSTEMD / ALERT)
    assert f'"$$MONITOR_EXIT_STATUS" = {ExitStatus.TEMPORARY.value} ||' in only(unit, "Service", "ExecStart")
    # A condition that cannot be started counts as "skip": the alert would be lost with it.
    assert "ExecCondition" not in unit["Service"]


def test_the_publisher_has_a_user_that_an_agent_can_know() -> None:
    service = read_unit(SYSTEMD / PUBLISHER)["Service"]
    (line,) = [
        line
        for line in (SYSTEMD / "sysusers.d" / "spire-oidc-publisher.conf").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    kind, user, *_ = line.split()
    assert (kind, [user], [user]) == ("u", service["User"], service["Group"])
    assert "DynamicUser" not in service


def test_sockets_below_tmp_stay_in_sight_and_tmp_is_not_written() -> None:
    service = read_unit(SYSTEMD / PUBLISHER)["Service"]
    # DynamicUser= would imply a private /tmp; so would a folder that hides /tmp.
    hiding = {"PrivateTmp", "DynamicUser", "TemporaryFileSystem", "InaccessiblePaths", "RootDirectory"}
    assert not hiding & service.keys()
    assert service["ProtectSystem"] == ["strict"]
    assert "ReadWritePaths" not in service


@pytest.mark.parametrize("name", [PUBLISHER, CHECK])
def test_the_network_is_unix_and_internet_only_and_nothing_listens(name: str) -> None:
    service = read_unit(SYSTEMD / name)["Service"]
    assert service["RestrictAddressFamilies"] == ["AF_UNIX AF_INET AF_INET6"]
    assert service["SocketBindDeny"] == ["any"]
    assert service["CapabilityBoundingSet"] == [""]
    assert service["LimitCORE"] == ["0"]


@pytest.mark.parametrize("name", ["spire-oidc-publisher", "spire-oidc-publisher-check"])
def test_a_timer_goes_on_after_a_failure_and_has_its_service(name: str) -> None:
    timer = read_unit(SYSTEMD / f"{name}.timer")
    assert (SYSTEMD / f"{name}.service").is_file()
    assert only(timer, "Timer", "OnCalendar")
    # The monotonic ones count from an activation, and a oneshot service that failed never was active.
    assert not {"OnUnitActiveSec", "OnUnitInactiveSec", "OnBootSec", "OnActiveSec"} & timer["Timer"].keys()
    period = 60
    assert (
        seconds(only(timer, "Timer", "AccuracySec")) + seconds(only(timer, "Timer", "RandomizedDelaySec"))
        < period
    )
    assert only(timer, "Install", "WantedBy") == "timers.target"


def test_whoever_enables_the_publisher_enables_its_watchman() -> None:
    timer = read_unit(SYSTEMD / "spire-oidc-publisher.timer")
    assert only(timer, "Install", "Also") == "spire-oidc-publisher-check.timer"


def test_the_watchman_needs_neither_the_publisher_nor_its_user_nor_its_host() -> None:
    unit = read_unit(SYSTEMD / CHECK)
    assert only(unit, "Service", "DynamicUser") == "yes"
    assert not {"User", "StateDirectory", "LoadCredential", "SupplementaryGroups"} & unit["Service"].keys()
    related = [value for name in ("After", "Requires", "BindsTo") for value in unit["Unit"].get(name, [])]
    assert "spire" not in " ".join(related)
    assert command_of(unit)[:4] == [PROGRAM, "check", "--config", SETTINGS]
    assert "--require-manifest" in command_of(unit)
