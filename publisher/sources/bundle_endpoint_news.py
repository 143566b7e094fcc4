"""Listen to a bundle endpoint: ask for its bundle as often as the bundle itself recommends."""

import hashlib
import random
from collections.abc import Callable

from publisher.bundle.formats import parse_spiffe_bundle
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import BundleError
from publisher.ports import Clock, Deadline, Stop, Web
from publisher.sources.bundle_endpoint import BundleEndpointSource
from publisher.sources.news import Pauses, Seen, canonical, poll

_PATIENCE = 10.0
_LONGEST_PAUSE = 60.0
_JITTER = 0.1
"""By how much of it a pause is lengthened at random, so that many listeners do not ask at once."""


class BundleEndpointNews:
    """Implement `ports.Listener` over a bundle endpoint of profile `https_web`.

    `url` and `trust_domain` are those of `BundleEndpointSource`. The next request is due after the bundle's
    refresh hint, which is held within `shortest` and `longest` (seconds; without a hint: `longest`), plus
    up to a tenth of it. Another content rings, not another order of its keys.

    Raises:
        SourceSettingsError: another kind of URL.

    """

    def __init__(
        self,
        url: str,
        trust_domain: TrustDomain,
        web: Web,
        clock: Clock,
        *,
        shortest: float,
        longest: float,
    ) -> None:
        self._source = BundleEndpointSource(url, trust_domain, web)
        self._trust_domain = trust_domain
        self._clock = clock
        self._shortest = shortest
        self._longest = longest
        self._pauses = Pauses(
            first=shortest, longest=max(shortest, min(_LONGEST_PAUSE, longest)), most=longest, least=shortest
        )

    def listen(self, ring: Callable[[], None], stop: Stop) -> None:
        """Ring at every change, and when the endpoint is back, until `stop` is set.

        After failures the pauses grow from `shortest` to a minute, as far as the bounds allow. An endpoint
        that asks for a pause (`Retry-After`) gets it, up to `longest`.
        """
        poll(self._look, ring, stop, pauses=self._pauses)

    def _look(self) -> Seen:
        body = self._source.read(Deadline(self._clock, _PATIENCE))
        refresh = min(max(self._hint(body) or self._longest, self._shortest), self._longest)
        return Seen(
            value=hashlib.sha256(repr(canonical(body)).encode()).digest(),
            next_in=refresh * random.uniform(1, 1 + _JITTER),  # noqa: S311 (spreads listeners)
        )

    def _hint(self, body: bytes) -> int | None:
        try:
            return parse_spiffe_bundle(body, trust_domain=self._trust_domain, where="news")[0].refresh_hint
        except BundleError:  # whoever publishes it will say what is wrong with it
            return None
