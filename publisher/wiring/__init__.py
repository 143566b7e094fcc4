"""Make adapters of settings: the only package that knows concrete classes and the system clock."""

from publisher.wiring.clock import SystemClock
from publisher.wiring.run import Wiring
from publisher.wiring.shared import Once, SharedFetches, SharedSource

__all__ = ["Once", "SharedFetches", "SharedSource", "SystemClock", "Wiring"]
