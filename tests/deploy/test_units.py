"""What the shipped units promise, read from their own lines."""

import signal
from pathlib import Path

import pytest

from publisher.cli.runs import GRACE_SECONDS
from publisher.cli.service import STOP_SECONDS, TURN
from publisher.errors import ExitStatus
from publisher.settings.options import named
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
WATCH = "spire-oidc-publisher-watch.service"
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


@pytest.mark.parametrize("name", [PUBLISHER, WATCH])
def test_sockets_below_tmp_stay_in_sight_and_tmp_is_not_written(name: str) -> None:
    service = read_unit(SYSTEMD / name)["Service"]
    # DynamicUser= would imply a private /tmp; so would a folder that hides /tmp.
    hiding = {"PrivateTmp", "DynamicUser", "TemporaryFileSystem", "InaccessiblePaths", "RootDirectory"}
    assert not hiding & service.keys()
    assert service["ProtectSystem"] == ["strict"]
    assert "ReadWritePaths" not in service


@pytest.mark.parametrize("name", [PUBLISHER, WATCH, CHECK])
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


WALLS = {
    "ProtectSystem", "ProtectHome", "PrivateDevices", "DevicePolicy", "ProtectProc", "ProcSubset",
    "ProtectControlGroups", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables",
    "ProtectClock", "ProtectHostname", "RemoveIPC", "KeyringMode", "NoNewPrivileges", "CapabilityBoundingSet",
    "AmbientCapabilities", "PrivateUsers", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID",
    "LockPersonality", "MemoryDenyWriteExecute", "SystemCallArchitectures", "SystemCallFilter",
    "SystemCallErrorNumber", "RestrictAddressFamilies", "SocketBindDeny", "LimitCORE", "MemoryMax", "UMask",
}  # fmt: skip
IDENTITY = {"User", "Group", "StateDirectory", "StateDirectoryMode", "ConfigurationDirectory"}


def test_the_watch_has_the_walls_the_user_and_the_state_of_the_run() -> None:
    run, watch = (read_unit(SYSTEMD / name)["Service"] for name in (PUBLISHER, WATCH))
    for name in sorted(WALLS | IDENTITY):
        assert watch[name] == run[name], name
    job = {"Type", "ExecStart", "TimeoutStartSec", "Restart", "TasksMax"}
    assert run.keys() - WALLS - IDENTITY == job
    notified = {"NotifyAccess", "TimeoutStopSec", "SuccessExitStatus", "WatchdogSec", "RestartSec"}
    assert watch.keys() - WALLS - IDENTITY == job | notified | {"RestartPreventExitStatus"}


def test_timer_and_watch_exclude_each_other() -> None:
    # Either way round: a conflict counts for both, whichever of the two names it.
    assert only(read_unit(SYSTEMD / WATCH), "Unit", "Conflicts") == "spire-oidc-publisher.timer"
    # The one-shot service itself is what a person starts beside the watch, for an override.
    assert only(read_unit(SYSTEMD / WATCH), "Install", "Also") == "spire-oidc-publisher-check.timer"


def test_the_watch_is_supervised_by_its_own_word_and_by_nothing_else() -> None:
    unit = read_unit(SYSTEMD / WATCH)
    service = unit["Service"]
    assert (service["Type"], service["NotifyAccess"]) == (["notify"], ["main"])
    assert command_of(unit)[:4] == [PROGRAM, "watch", "--config", SETTINGS]
    assert not only(unit, "Service", "ExecStart").startswith(("-", "+", "!"))
    # A turn of the loop feeds the watchdog; several may be late on a busy machine.
    assert seconds(only(unit, "Service", "WatchdogSec")) >= 6 * TURN
    assert STOP_SECONDS < seconds(only(unit, "Service", "TimeoutStopSec")) <= 10


def test_the_watch_is_started_again_unless_a_person_has_to_act() -> None:
    unit = read_unit(SYSTEMD / WATCH)
    assert only(unit, "Service", "Restart") == "always"
    assert only(unit, "Unit", "StartLimitIntervalSec") == "0"
    assert 1 <= seconds(only(unit, "Service", "RestartSec")) <= 30
    final = [ExitStatus(int(status)) for status in only(unit, "Service", "RestartPreventExitStatus").split()]
    assert final == [ExitStatus.USAGE, ExitStatus.SETTINGS]
    # 128 and SIGTERM: stopped as asked, in the middle of a round.
    assert only(unit, "Service", "SuccessExitStatus") == str(128 + signal.SIGTERM)
    assert only(unit, "Unit", "OnFailure") == "spire-oidc-publisher-alert@%p.service"
    assert not [name for name in unit["Unit"] if name.startswith(("Condition", "Assert"))]


def test_the_listener_s_drop_in_allows_the_one_port_that_it_names() -> None:
    service = read_unit(SYSTEMD / "examples" / "metrics-listen.conf")["Service"]
    (setting,) = service["Environment"]
    variable, _, address = setting.partition("=")
    assert variable == named("metrics-listen").variable
    assert address == "127.0.0.1:" + only({"Service": service}, "Service", "SocketBindAllow").split(":")[-1]
