"""One round: some publishers at once on one sink, then a look at what they left."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from publisher.bundle.trust_bundle import TrustBundle
from publisher.errors import ExitStatus, PublisherError
from publisher.ports import Deadline, Sink
from publisher.publication.document_set import build
from publisher.publication.manifest import Manifest
from publisher.publication.rules import Overrides
from publisher.use_cases.publish import Adapters, Outcome, publish
from tests import keys
from tests.doubles import DictMemory, ListedSource
from tests.races.scheduler import Scheduler
from tests.races.stepping import SteppingSink
from tests.worlds import CONFIGURATION, JWKS, MANIFEST, SETTINGS

VERSIONS = 4
SECONDS = 60.0
ALWAYS_VALID = "key4"
"""A key of every version."""


def version(number: int, *, is_counted: bool) -> TrustBundle:
    """Give one version of a bundle that rotates: with each, a key goes and a key comes."""
    kids = [f"key{one}" for one in range(number, number + VERSIONS)]
    return keys.bundle(*kids, sequence_number=number if is_counted else None)


@dataclass(kw_only=True)
class Publisher:
    """One publisher of a round: what it offers, first and after a second fetch, and how it ended."""

    first: int
    later: int
    memory: DictMemory | None
    sink: SteppingSink
    ended: Outcome | PublisherError | None = None

    @property
    def status(self) -> ExitStatus:
        assert self.ended is not None
        return self.ended.exit_status

    @property
    def codes(self) -> set[str]:
        assert self.ended is not None
        return {finding.code for finding in self.ended.findings}


@dataclass(kw_only=True)
class Round:
    """Publishers whose every step is chosen by `seed`. Uncounted bundles have no sequence number."""

    seed: int
    sink: Sink
    offers: Sequence[int]
    is_counted: bool
    clock: Scheduler = field(init=False)
    publishers: list[Publisher] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.clock = Scheduler(self.seed)
        chance = random.Random(self.seed)
        if chance.random() < 0.8:
            self.publish_alone(1)
        for offer in self.offers:
            self.publishers.append(
                Publisher(
                    first=offer,
                    later=chance.choice((offer, max(self.offers))),
                    memory=DictMemory() if chance.random() < 0.5 else None,
                    sink=SteppingSink(self.sink, self.clock.step, self.look),
                )
            )

    def run(self) -> None:
        """Publish all at once, to the end of each."""
        random.seed(self.seed)  # of the publishers' jitter
        for one in self.publishers:
            self.clock.add(partial(self._publish, one))
        self.clock.run()

    def publish_alone(self, number: int) -> Outcome:
        """Make one ordinary run, which nobody disturbs."""
        source = ListedSource(version(number, is_counted=self.is_counted))
        return self._publish_to(self.sink, source, None)

    def look(self) -> None:
        """Be a reader who comes at any moment: a token of a key that was always valid must verify."""
        readable = self.kids()
        assert not readable or ALWAYS_VALID in readable

    def kids(self) -> list[str]:
        there = self.sink.read(JWKS, Deadline(self.clock, SECONDS))
        return [key["kid"] for key in json.loads(there.body)["keys"]] if there else []

    def holds(self) -> int:
        """Give the version at the sink; all three objects must be of the same.

        Raises AssertionError for documents of different versions.
        """
        deadline = Deadline(self.clock, SECONDS)
        jwks, configuration, manifest = (
            self.sink.read(path, deadline) for path in (JWKS, CONFIGURATION, MANIFEST)
        )
        assert jwks
        assert configuration
        assert manifest
        listed = Manifest.parse(manifest.body, where="test")
        assert listed.sha256_of(JWKS) == jwks.sha256, "the manifest lists another JWKS"
        assert listed.sha256_of(CONFIGURATION) == configuration.sha256
        numbers = [number for number in {1, *self.offers} if jwks.body == self._documents(number)]
        (number,) = numbers
        assert listed.sequence_number == (number if self.is_counted else None)
        return number

    def _documents(self, number: int) -> bytes:
        return build(version(number, is_counted=self.is_counted), SETTINGS).jwks.body

    def _publish(self, one: Publisher) -> None:
        first, later = (version(number, is_counted=self.is_counted) for number in (one.first, one.later))
        try:
            one.ended = self._publish_to(one.sink, ListedSource(first, later), one.memory)
        except PublisherError as error:
            one.ended = error

    def _publish_to(self, sink: Sink, source: ListedSource, memory: DictMemory | None) -> Outcome:
        return publish(
            Adapters(source=source, sink=sink, memory=memory, web=None, clock=self.clock),
            SETTINGS,
            overrides=Overrides(),
            bucket_url=None,
            dry_run=False,
            deadline=Deadline(self.clock, SECONDS),
        )
