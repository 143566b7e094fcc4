"""One publication in a world of doubles, for tests of the plan and of `publish`."""

from dataclasses import dataclass, field

from publisher.bundle.fetched import SourceKind
from publisher.bundle.trust_bundle import TrustBundle
from publisher.errors import PublisherError
from publisher.findings import Finding
from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH, Issuer
from publisher.ports import Deadline
from publisher.publication.document_set import PublicationSettings
from publisher.publication.manifest import Manifest
from publisher.publication.rules import Overrides
from publisher.use_cases.publish import Adapters, Outcome, publish
from tests import keys
from tests.doubles import DictMemory, ListedSource, MemorySink, SinkWeb, StoppedClock

ISSUER = Issuer.parse("https://storage.googleapis.com/my-bucket")
SETTINGS = PublicationSettings(issuer=ISSUER, authorization_endpoint=f"{ISSUER}/authorize")
JWKS, CONFIGURATION, MANIFEST = "keys", CONFIGURATION_PATH, MANIFEST_PATH


def bundle(*kids: str, sequence_number: int | None = None) -> TrustBundle:
    return keys.bundle(*(keys.authority(kid) for kid in kids), sequence_number=sequence_number)


@dataclass
class World:
    """A sink, a clock, a state file and a public URL; `publish` runs once in it."""

    sink: MemorySink = field(default_factory=MemorySink)
    clock: StoppedClock = field(default_factory=StoppedClock)
    memory: DictMemory | None = None
    web: SinkWeb | None = None
    settings: PublicationSettings = SETTINGS
    timeout: float = 30
    noticed: list[Finding] = field(default_factory=list)

    def publish(
        self,
        *bundles: TrustBundle | PublisherError,
        overrides: Overrides | None = None,
        dry_run: bool = False,
        bucket_url: str | None = None,
        source: ListedSource | None = None,
        kind: SourceKind = SourceKind.SERVER_API,
    ) -> Outcome:
        self.source = source or ListedSource(*bundles, kind=kind)
        return publish(
            Adapters(
                source=self.source,
                sink=self.sink,
                memory=self.memory,
                web=self.web,
                clock=self.clock,
                notice=self.noticed.append,
            ),
            self.settings,
            overrides=overrides or Overrides(),
            bucket_url=bucket_url,
            dry_run=dry_run,
            deadline=Deadline(self.clock, self.timeout),
        )

    def manifest(self) -> Manifest:
        return Manifest.parse(self.sink.objects[MANIFEST].body, where="test")

    def bodies(self) -> dict[str, bytes]:
        return {path: stored.body for path, stored in self.sink.objects.items()}
