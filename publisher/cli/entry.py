"""The program's first and last lines: signals, exit status, and a last net."""

import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from publisher.cli.completion import PROGRAM, VARIABLE
from publisher.cli.root import root
from publisher.errors import ExitStatus, PublisherError

INTERRUPTED = 128 + signal.SIGINT
"""The exit status after Ctrl-C."""

TERMINATED = 128 + signal.SIGTERM
"""The exit status after SIGTERM."""


_GARBAGE_THRESHOLD = 100_000
"""How many new objects make the collector look for cycles; see `main`."""


class TerminatedError(BaseException):
    """End the run because somebody asked for it: no exception that a handler may swallow."""


def main() -> NoReturn:
    """Run the command line of this process and end it."""
    # A process of one second, whose libraries make a hundred thousand objects that all live to its end:
    # looking through them every 700 of them took a fifth of a run.
    gc.set_threshold(_GARBAGE_THRESHOLD)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        status = _run()
    except TerminatedError:
        _log("stopped by SIGTERM; the next run finishes what was begun")
        status = TERMINATED
    except KeyboardInterrupt:
        _log("interrupted; the next run finishes what was begun")
        status = INTERRUPTED
    _end(status)


def _run() -> int:
    try:
        status = root.main(prog_name=PROGRAM, complete_var=VARIABLE, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return ExitStatus.USAGE
    except click.Abort:  # click's word for Ctrl-C, and an exception like any other
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        return _refuse(error)
    except BrokenPipeError:  # of --help and the like; reports look after themselves
        return ExitStatus.DONE
    except PublisherError as error:  # of standard output, when the report was an error already
        _log(str(error))
        return error.exit_status
    except Exception as error:  # noqa: BLE001 (the last net: no traceback with somebody's secrets)
        from publisher.last_net import unexpected  # noqa: PLC0415 (--help stays quick)

        translated = unexpected(error)
        _log(str(translated))
        return translated.exit_status
    return int(status or 0)


def _refuse(refused: click.ClickException) -> ExitStatus:
    """Report what click refused like every other error: logged in parts, and as JSON if asked for."""
    from publisher.cli import usage  # noqa: PLC0415 (--help stays quick)
    from publisher.cli.finding_log import log_error  # noqa: PLC0415
    from publisher.cli.json_output import put_json  # noqa: PLC0415

    error: PublisherError = usage.translate(refused)
    _configure_logs()
    log_error(error)
    if usage.wants_json(refused, sys.argv[1:], os.environ):
        try:
            put_json(usage.command_in(sys.argv[1:]), error.exit_status, error=error)
        except PublisherError as unwritten:
            log_error(unwritten)
            return unwritten.exit_status
    return error.exit_status


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise TerminatedError


def _log(message: str) -> None:
    import logging  # noqa: PLC0415 (--help stays quick)

    _configure_logs()
    logging.getLogger(__name__).error("%s", message)


def _configure_logs() -> None:
    from publisher import logs  # noqa: PLC0415 (--help stays quick)
    from publisher.cli.printing import is_coloured  # noqa: PLC0415

    if not logs.is_configured():
        logs.configure(sys.stderr, verbose=False, quiet=False, colour=is_coloured(sys.stderr, os.environ))


def _end(status: int) -> NoReturn:
    """Flush and end. Threads that hang in a library would keep the interpreter: leave them behind."""
    from publisher.cli.printing import silence  # noqa: PLC0415 (--help stays quick)

    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            silence(stream)
    # The interpreter's last collections would look at every object of every library, to free it one by one.
    gc.freeze()
    runs = sys.modules.get("publisher.cli.runs")
    if runs is not None and runs.PublicationThread.any_left():
        os._exit(status)
    sys.exit(status)
