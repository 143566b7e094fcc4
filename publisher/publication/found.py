"""A publication as found at a sink, with what the publisher itself remembers of it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from publisher import strict_json
from publisher.bundle.public_key import PublicKey
from publisher.bundle.trust_bundle import MOST_KEYS
from publisher.errors import BundleError
from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH
from publisher.publication.document_set import Document, StoredObject
from publisher.publication.manifest import Manifest, ManifestError, PublishedKey
from publisher.quoting import quote

UNSTATED_MAX_AGE = timedelta(hours=1)
"""How long caches may keep an object without Cache-Control: what Cloud Storage does with public ones."""

_MAX_AGE = re.compile(r"max-age=(\d{1,9})")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundKeys:
    """Hold the keys of a JWKS that anybody may have written.

    `identified` are keys with a thumbprint; `strangers` names the elements that are no public key of ours
    in any reading: other key types, private members, damage.
    """

    identified: tuple[PublishedKey, ...] = ()
    strangers: tuple[str, ...] = ()

    @property
    def thumbprints(self) -> frozenset[str]:
        """Give the thumbprints of the identified keys."""
        return frozenset(key.thumbprint for key in self.identified)

    @classmethod
    def parse(cls, body: bytes, *, where: str) -> Self | None:
        """Read what can be read; None: the bytes are no JWK Set at all."""
        document = _object(body, where)
        keys = document.get("keys") if document else None
        if not isinstance(keys, list):
            return None
        identified, strangers = [], []
        if len(keys) > MOST_KEYS:
            strangers.append(f"keys[{MOST_KEYS}] and all that follow")
        for number, jwk in enumerate(keys[:MOST_KEYS]):
            kid = jwk.get("kid") if isinstance(jwk, dict) else None
            name = kid if isinstance(kid, str) else f"keys[{number}]"
            try:
                key = PublicKey.from_jwk(jwk if isinstance(jwk, dict) else {}, where=name)
            except BundleError:
                strangers.append(name)
                continue
            identified.append(
                PublishedKey(
                    kid=name,
                    alg=key.alg,
                    thumbprint=key.thumbprint,
                    first_published_at=None,
                )
            )
        return cls(identified=tuple(identified), strangers=tuple(strangers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Hold the three objects as read, and the manifest of the state file.

    `manifest` is None when the object is absent or no manifest; `manifest_problem` says which of the two.
    """

    jwks: StoredObject | None
    configuration: StoredObject | None
    manifest_object: StoredObject | None
    manifest: Manifest | None
    manifest_problem: str | None
    remembered: Manifest | None

    @classmethod
    def of(cls, objects: Iterable[StoredObject | None], *, remembered: Manifest | None, where: str) -> Self:
        """Sort JWKS, configuration and manifest, as read in this order, into a publication.

        Raises:
            SettingsError: the manifest is of a newer schema than ours.

        """
        jwks, configuration, manifest_object = objects
        manifest, problem = None, None
        if manifest_object is not None:
            try:
                manifest = Manifest.parse(manifest_object.body, where=f"{where}/{MANIFEST_PATH}")
            except ManifestError as error:
                problem = error.what
        return cls(
            jwks=jwks,
            configuration=configuration,
            manifest_object=manifest_object,
            manifest=manifest,
            manifest_problem=problem,
            remembered=remembered,
        )

    @property
    def records(self) -> tuple[Manifest, ...]:
        """Give what says what was published: the manifest, then the state file's."""
        return tuple(record for record in (self.manifest, self.remembered) if record is not None)

    @property
    def is_reset_elsewhere(self) -> bool:
        """Tell whether a person has replaced every key since the state file was written, on another host.

        The manifest then records that override, the JWKS is the one it lists, and no key is in both records.
        """
        if self.manifest is None or self.remembered is None or self.jwks is None:
            return False
        override = self.manifest.override
        return (
            not self.manifest.thumbprints & self.remembered.thumbprints
            and override is not None
            and override.at >= self.remembered.confirmed_at
            and self.jwks.sha256 == self.manifest.sha256_of(self.jwks.path)
        )

    @property
    def published(self) -> frozenset[str]:
        """Give the thumbprints that count as published, whatever the documents say."""
        counting = self.records[:1] if self.is_reset_elsewhere else self.records
        return frozenset().union(*(record.thumbprints for record in counting))

    def counting_record(self, offered: frozenset[str]) -> Manifest | None:
        """Give the record whose sequence number a bundle of these thumbprints is judged by.

        The first that shares a key with the bundle: the manifest, then the state file's. A manifest that
        shares none was forged, or counts another datastore's changes; such a state file is too old.
        """
        sharing = (record for record in self.records if record.thumbprints & offered)
        return next(sharing, self.records[0] if self.records else None)

    def configured(self, member: str) -> object:
        """Give one member of the configuration document; None: absent, or no JSON object."""
        if self.configuration is None:
            return None
        document = _object(self.configuration.body, CONFIGURATION_PATH)
        return document.get(member) if document else None


def cached_for(stored: StoredObject | Document) -> timedelta:
    """Tell how long caches may go on serving an object after it was replaced."""
    stated = stored.headers.cache_control if stored.headers else None
    if stated is None:
        return UNSTATED_MAX_AGE
    if "no-store" in stated:
        return timedelta(0)
    found = _MAX_AGE.search(stated)
    return timedelta(seconds=int(found[1])) if found else UNSTATED_MAX_AGE


def shown(names: Iterable[str], most: int = 5) -> str:
    """List names from outside for a message, the first few of them."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(quote(name, 40) for name in listed[:most]) + more


def _object(body: bytes, where: str) -> dict[str, Any] | None:
    try:
        value = strict_json.loads(body, where=where)
    except strict_json.MalformedError:
        return None
    return value if isinstance(value, dict) else None
