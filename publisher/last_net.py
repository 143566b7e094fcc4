"""The last net below everything that this program did not foresee."""

import logging
import traceback
from pathlib import PurePath

from publisher import __version__
from publisher.errors import ExitStatus, PublisherError

_LOG = logging.getLogger(__name__)


class UnexpectedError(PublisherError):
    """Report a mistake in this program. Temporary: what is published stands, and the next run may pass."""

    exit_status = ExitStatus.TEMPORARY


def unexpected(
    error: Exception, *, louder: str = "run again with --verbose", next_time: str = "run"
) -> UnexpectedError:
    """Turn an exception that nobody translated into a request for a report.

    Its text and traceback go to the verbose log only: a library may have put anything into them. `louder`
    says how to get that log, `next_time` what comes after this.
    """
    _LOG.debug("traceback of an unexpected %s", type(error).__name__, exc_info=error)
    return UnexpectedError(
        f"spire-oidc-publisher {__version__}{_place(error)}",
        f"unexpected {type(error).__module__}.{type(error).__qualname__}",
        f"this is a mistake in the program: {louder} and report what it logs, after a look "
        f"for secrets; what is published was left as it was or is finished by the next {next_time}",
    )


def _place(error: Exception) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "publisher" in frame.filename]
    return f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
