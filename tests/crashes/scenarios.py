"""Publications to be interrupted: what was there before, what SPIRE has now, what stays valid all along."""

import json
from dataclasses import dataclass, field
from hashlib import sha256

from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH
from tests import keys
from tests.crashes.reader import ISSUER, Fetch

TAMPERING = {"ROT010", "ROT011", "ROT018"}
"""Findings that accuse a stranger: never the consequence of a crash."""

OVERRIDES = ("--accept-disjoint-keys", "--accept-lower-sequence")


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One publication. `earlier` and `now` are kids that SPIRE had and has; `foreign` lie there by hand."""

    name: str
    now: tuple[str, ...]
    earlier: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    sequence: int = 2
    overrides: tuple[str, ...] = ()
    state_file: bool = False
    valid: tuple[str, ...] = field(default=())

    @property
    def bundle(self) -> bytes:
        return keys.spiffe_bundle(*self.now, spiffe_sequence=self.sequence)

    @property
    def earlier_bundle(self) -> bytes:
        return keys.spiffe_bundle(*self.earlier, spiffe_sequence=7 if self.overrides else 1)

    @property
    def is_first(self) -> bool:
        return not self.earlier and not self.foreign

    def foreign_documents(self) -> dict[str, bytes]:
        """Give what somebody published by hand."""
        if not self.foreign:
            return {}
        listed = [keys.jwk(kid, use="sig", alg="ES256") for kid in self.foreign]
        configuration = {
            "issuer": ISSUER,
            "jwks_uri": f"{ISSUER}/keys",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }
        documents = {"keys": {"keys": listed}, CONFIGURATION_PATH: configuration}
        return {path: json.dumps(value, indent=2).encode() for path, value in documents.items()}


SCENARIOS = (
    Scenario(name="first", now=("one", "two"), valid=("one", "two"), state_file=True),
    Scenario(
        name="rotation",
        earlier=("one", "two"),
        now=("one", "two", "three"),
        valid=("one", "two"),
        state_file=True,
    ),
    Scenario(name="revocation", earlier=("one", "two", "three"), now=("one", "two"), valid=("one", "two")),
    Scenario(
        name="takeover",
        foreign=("stranger", "one", "two"),
        now=("one", "two", "three"),
        valid=("one", "two"),
        state_file=True,
    ),
    Scenario(name="reset", earlier=("one", "two"), now=("seven",), overrides=OVERRIDES, state_file=True),
    Scenario(name="confirmation", earlier=("one", "two"), now=("one", "two"), valid=("one", "two")),
)


def assert_published(fetch: Fetch, scenario: Scenario) -> dict[str, bytes]:
    """The documents are the bundle's, and the manifest is theirs; give all three."""
    stored = {path: fetch(path) for path in ("keys", CONFIGURATION_PATH, MANIFEST_PATH)}
    documents = {path: body for path, body in stored.items() if body is not None}
    assert len(documents) == 3, documents.keys()
    published = {key["kid"]: key for key in json.loads(documents["keys"])["keys"]}
    expected = {kid: keys.key_members(keys.private_key(kid)) for kid in scenario.now}
    assert published.keys() == expected.keys()
    for kid, members in expected.items():
        assert members.items() <= published[kid].items()
    configuration = json.loads(documents[CONFIGURATION_PATH])
    assert (configuration["issuer"], configuration["jwks_uri"]) == (ISSUER, f"{ISSUER}/keys")
    assert_lists(json.loads(documents[MANIFEST_PATH]), documents, scenario)
    return documents


def assert_lists(manifest: dict[str, object], documents: dict[str, bytes], scenario: Scenario) -> None:
    """A manifest, at the sink or in the state file, names these documents, these keys and this bundle."""
    listed = manifest["documents"]
    assert isinstance(listed, list)
    for document in listed:
        assert document["sha256"] == sha256(documents[document["path"]]).hexdigest()
    named = manifest["keys"]
    assert isinstance(named, list)
    assert {key["kid"] for key in named} == set(scenario.now)
    assert manifest["sequence_number"] == scenario.sequence
    override = manifest["override"]
    assert (override is not None) == bool(scenario.overrides)
