"""Be somebody who may not read everything."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_NOBODY = 65534


@contextmanager
def unprivileged() -> Iterator[int]:
    """Give up root's rights for a while, where the tests run as root; give the effective uid."""
    uid = os.geteuid()
    if uid == 0:
        os.seteuid(_NOBODY)
    try:
        yield os.geteuid()
    finally:
        if uid == 0:
            os.seteuid(0)
