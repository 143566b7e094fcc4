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


def unexpected(error: Exception) -> UnexpectedError:
    """Turn an exception that nobody translated into a request for a report.

    Its text and traceback go to the log of `--verbose` only: a library may have put anything into them.
    """
    _LOG.debug("traceback of an unexpected %s", type(error).__name__, exc_info=error)
    return UnexpectedError(
        f"spire-oidc-publisher {__version__}{_place(error)}",
        f"unexpected {type(error).__module__}.{type(error).__qualname__}",
        "this is a mistake in the program: run again with --verbose and report what it logs, after a look "
        "for secrets; what is published was left as it was or is finished by the next run",
    )


def _place(error: Exception) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "publisher" in frame.filename]
    return f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
