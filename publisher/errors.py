"""Every exception of the project and the exit status each one ends a run with."""

from enum import IntEnum

from publisher.findings import Finding


class ExitStatus(IntEnum):
    """Say how a run ended, in the words of sysexits.h; systemd units use the same numbers."""

    DONE = 0
    FOUND = 1
    USAGE = 2
    UNSAFE = 65
    TEMPORARY = 75
    SETTINGS = 78


class PublisherError(Exception):
    """Carry where it happened, what is wrong and what to do about it.

    `where` names the place (a file, a socket, an object, an option), `what` the broken rule,
    `remedy` the next step of the person who reads it. Texts from outside must have gone through
    `publisher.quoting.quote` first. `exit_status` is what the run ends with;
    `findings` are its reasons, or what was found before it.
    """

    exit_status = ExitStatus.SETTINGS

    def __init__(self, where: str, what: str, remedy: str) -> None:
        super().__init__(f"{where}: {what}; {remedy}" if remedy else f"{where}: {what}")
        self.where = where
        self.what = what
        self.remedy = remedy
        self.findings: tuple[Finding, ...] = ()


class BundleError(PublisherError):
    """Refuse the content of a bundle: malformed, empty, unsafe, or of another trust domain."""

    exit_status = ExitStatus.UNSAFE


class RefusedError(PublisherError):
    """Refuse to replace what is published by what the source offers; `findings` has every reason."""

    exit_status = ExitStatus.UNSAFE

    def __init__(self, where: str, what: str, remedy: str, *, findings: tuple[Finding, ...]) -> None:
        super().__init__(where, what, remedy)
        self.findings = findings


class UsageError(PublisherError):
    """Refuse a value of the command line."""

    exit_status = ExitStatus.USAGE


class SettingsError(PublisherError):
    """Refuse a value of the environment, of the settings file, or a publication that is not ours."""

    exit_status = ExitStatus.SETTINGS


class SourceError(PublisherError):
    """Report that a source did not give a bundle. Raised as one of its subclasses."""


class SourceUnavailableError(SourceError):
    """Report a source that may answer later: unreachable, not registered yet, too slow."""

    exit_status = ExitStatus.TEMPORARY


class SourceSettingsError(SourceError):
    """Report a source that will not answer before a person changes something."""

    exit_status = ExitStatus.SETTINGS


class SinkError(PublisherError):
    """Report that a sink was not read or written. Raised as one of its subclasses."""


class SinkUnavailableError(SinkError):
    """Report a sink that may work later: unreachable, overloaded, full."""

    exit_status = ExitStatus.TEMPORARY


class SinkConflictError(SinkError):
    """Report that an object is not of the generation the write was conditioned on."""

    exit_status = ExitStatus.TEMPORARY


class SinkSettingsError(SinkError):
    """Report a sink that is missing or forbidden until a person changes something."""

    exit_status = ExitStatus.SETTINGS


class WebError(PublisherError):
    """Report that an https URL gave no usable answer; the caller decides what that means."""

    exit_status = ExitStatus.TEMPORARY


class WebUntrustedError(WebError):
    """Report that an https server showed no certificate to trust, so nothing it says was read."""

    exit_status = ExitStatus.SETTINGS
