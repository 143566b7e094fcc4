"""A publication that was found valid, ready to be served."""

from dataclasses import dataclass

from publisher.findings import Finding
from publisher.publication.manifest import Manifest, PublishedKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Hold a valid publication: the exact bytes of its three objects, and what was read in them.

    `keys` are those of the JWKS document, with the times that the manifest knows; `remarks` what the rules
    of documents had to say below an error. `is_unfinished`: the manifest is not of these documents.
    """

    manifest: Manifest
    manifest_body: bytes
    jwks: bytes
    configuration: bytes
    keys: tuple[PublishedKey, ...]
    remarks: tuple[Finding, ...] = ()
    is_unfinished: bool = False

    @property
    def thumbprints(self) -> frozenset[str]:
        """Give the thumbprints of the served keys."""
        return frozenset(key.thumbprint for key in self.keys)

    def has_documents_of(self, other: "Snapshot") -> bool:
        """Tell whether both give relying parties the same bytes."""
        return self.jwks == other.jwks and self.configuration == other.configuration
