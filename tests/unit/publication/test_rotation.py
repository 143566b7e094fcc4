"""The plan: named cases, each a situation at the sink and what comes of it."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.bundle.fetched import SourceKind
from publisher.errors import RefusedError
from publisher.oidc.issuer import Issuer
from publisher.publication.document_set import Headers
from publisher.publication.rules import Overrides
from tests import keys
from tests.doubles import DictMemory, MemorySink, codes
from tests.worlds import CONFIGURATION, JWKS, MANIFEST, SETTINGS, World, bundle

DISJOINT = Overrides(accept_disjoint_keys=True)
LOWER = Overrides(accept_lower_sequence=True)
BOTH = Overrides(accept_disjoint_keys=True, accept_lower_sequence=True)


@pytest.fixture
def world() -> World:
    """One publication of keys a and b, sequence number 7."""
    world = World()
    world.publish(bundle("a", "b", sequence_number=7))
    return world


def refused(world: World, *args: object, **options: object) -> RefusedError:
    before = dict(world.sink.objects)
    with pytest.raises(RefusedError) as caught:
        world.publish(*args, **options)  # type: ignore[arg-type]
    assert world.sink.objects == before, "a refusal leaves everything as it is"
    return caught.value


def test_a_first_publication_writes_jwks_then_configuration_then_manifest() -> None:
    world = World()
    outcome = world.publish(bundle("a", "b"))
    assert world.sink.written == [JWKS, CONFIGURATION, MANIFEST]
    assert [key.kid for key in outcome.changes.added] == ["a", "b"]
    assert outcome.findings == ()


def test_an_equal_bundle_confirms_the_manifest_and_writes_nothing_else(world: World) -> None:
    before = world.bodies()
    world.sink.log.clear()
    world.clock.advance(minutes=5)
    outcome = world.publish(bundle("b", "a", sequence_number=7))
    assert world.sink.written == [MANIFEST]
    assert not outcome.changed
    assert {path: world.bodies()[path] for path in (JWKS, CONFIGURATION)} == {
        path: before[path] for path in (JWKS, CONFIGURATION)
    }
    assert world.manifest().confirmed_at == world.clock.now()
    assert world.manifest().modified_at < world.clock.now()


def test_rotation_adds_and_removes_and_keeps_first_published_times(world: World) -> None:
    first = world.clock.now()
    world.clock.advance(hours=1)
    outcome = world.publish(bundle("b", "c", sequence_number=8))
    assert [key.kid for key in outcome.changes.added] == ["c"]
    assert [key.kid for key in outcome.changes.removed] == ["a"]
    assert [key.kid for key in outcome.changes.kept] == ["b"]
    times = {key.kid: key.first_published_at for key in world.manifest().keys}
    assert times == {"b": first, "c": world.clock.now()}
    assert world.manifest().modified_at == world.clock.now()


def test_a_disjoint_set_is_refused_and_says_both_causes(world: World) -> None:
    error = refused(world, bundle("x", sequence_number=8))
    assert codes(error.findings) == ["ROT001"]
    assert "--accept-disjoint-keys" in str(error)
    assert "another SPIRE" in str(error)
    assert error.exit_status == 65


def test_a_full_swap_of_equal_size_is_disjoint(world: World) -> None:
    assert codes(refused(world, bundle("x", "y", sequence_number=8)).findings) == ["ROT001"]


def test_a_reused_kid_with_another_key_is_disjoint(world: World) -> None:
    swapped = keys.bundle(keys.authority("a", seed="other"), sequence_number=8)
    assert codes(refused(world, swapped).findings) == ["ROT001"]


def test_a_lower_sequence_is_refused_after_a_second_look(world: World) -> None:
    error = refused(world, bundle("a", sequence_number=6))
    assert codes(error.findings) == ["ROT002"]
    assert world.source.fetches == 2


def test_a_lower_sequence_that_was_only_lag_is_published(world: World) -> None:
    outcome = world.publish(bundle("a", sequence_number=6), bundle("a", "b", "c", sequence_number=8))
    assert [key.kid for key in outcome.changes.added] == ["c"]
    assert outcome.manifest.sequence_number == 8


def test_lost_datastore_names_every_override_that_it_needs(world: World) -> None:
    error = refused(world, bundle("x", sequence_number=1))
    assert codes(error.findings) == ["ROT001", "ROT002"]
    assert "--accept-disjoint-keys --accept-lower-sequence" in str(error)
    assert codes(refused(world, bundle("x", sequence_number=1), overrides=DISJOINT).findings) == ["ROT002"]
    assert codes(refused(world, bundle("x", sequence_number=1), overrides=LOWER).findings) == ["ROT001"]


def test_overrides_publish_and_are_recorded(world: World) -> None:
    replaced = world.sink.objects[JWKS].sha256
    outcome = world.publish(bundle("x", sequence_number=1), overrides=BOTH)
    assert codes(outcome.findings) == ["ROT017", "ROT017"]
    record = world.manifest().override
    assert record is not None
    assert record.accepted == ("accept-disjoint-keys", "accept-lower-sequence")
    assert (record.at, record.replaced_sha256) == (world.clock.now(), replaced)
    assert world.manifest().sequence_number == 1
    world.clock.advance(minutes=1)
    world.publish(bundle("x", "y", sequence_number=2))
    assert world.manifest().override == record, "the last override stays on record"


def test_an_override_that_is_not_needed_changes_nothing(world: World) -> None:
    assert world.publish(bundle("a", "b", "c", sequence_number=8), overrides=BOTH).findings == ()
    assert world.manifest().override is None


def test_a_missing_number_keeps_the_last_known_one(world: World) -> None:
    world.publish(bundle("a", "b", "c"), kind=SourceKind.WORKLOAD_API)
    assert world.manifest().sequence_number == 7
    assert codes(refused(world, bundle("a", "b", "c", sequence_number=6)).findings) == ["ROT002"]


def test_a_missing_number_after_a_disjoint_override_starts_anew(world: World) -> None:
    world.publish(bundle("x"), overrides=DISJOINT)
    assert world.manifest().sequence_number is None
    assert world.publish(bundle("x", "y", sequence_number=2)).findings == ()


def test_an_equal_number_with_other_keys_is_published_and_reported(world: World) -> None:
    outcome = world.publish(bundle("a", "c", sequence_number=7))
    assert codes(outcome.findings) == ["ROT014"]
    assert [key.kid for key in outcome.changes.added] == ["c"]


def test_known_expiry_survives_a_source_that_does_not_tell_it() -> None:
    world = World()
    expires = world.clock.now().replace(year=2027)
    world.publish(keys.bundle(keys.authority("a", expires_at=expires), sequence_number=1))
    world.publish(bundle("a"), kind=SourceKind.FILE)
    assert world.manifest().keys[0].expires_at == expires
    assert world.manifest().source == "file"


@pytest.mark.parametrize("jwk", [keys.jwk("thief"), {"kty": "oct", "kid": "thief", "k": "AAAA"}])
def test_a_stranger_key_is_repaired_and_said_loudly(world: World, jwk: dict[str, str]) -> None:
    document = json.loads(world.sink.objects[JWKS].body)
    document["keys"].append(jwk)
    world.sink.put(JWKS, json.dumps(document).encode())
    outcome = world.publish(bundle("a", "b", sequence_number=7))
    assert codes(outcome.findings) == ["ROT010"]
    assert "thief" in outcome.findings[0].what
    assert [key["kid"] for key in json.loads(world.bodies()[JWKS])["keys"]] == ["a", "b"]


def test_a_thief_who_replaces_the_whole_set_is_not_protected_by_the_guard(world: World) -> None:
    world.sink.put(JWKS, keys.jwks("thief"))
    outcome = world.publish(bundle("a", "b", sequence_number=7))
    assert codes(outcome.findings) == ["ROT010"]
    assert b"thief" not in world.bodies()[JWKS]


def test_a_thief_who_forges_the_manifest_too_is_overruled_by_the_state_file() -> None:
    world = World(memory=DictMemory())
    world.publish(bundle("a", sequence_number=7))
    forged = replace(
        world.manifest(),
        sequence_number=99,
        keys=tuple(replace(key, kid="thief", thumbprint="thief") for key in world.manifest().keys),
        issuer="https://thief.example",
    )
    world.sink.put(MANIFEST, forged.dumps())
    world.sink.put(JWKS, keys.jwks("thief"))
    outcome = world.publish(bundle("a", sequence_number=7))
    assert codes(outcome.findings) == ["ROT010", "ROT018"]
    assert b"thief" not in world.bodies()[JWKS] + world.bodies()[MANIFEST]


def test_without_a_state_file_a_forged_manifest_is_refused_loudly(world: World) -> None:
    forged = replace(world.manifest(), sequence_number=99)
    world.sink.put(MANIFEST, forged.dumps())
    assert codes(refused(world, bundle("a", "b", sequence_number=8)).findings) == ["ROT002"]


@pytest.mark.parametrize(
    ("member", "value"),
    [("issuer", "https://thief.example"), ("jwks_uri", "https://thief.example/keys")],
)
def test_changed_metadata_is_tampering(world: World, member: str, value: str) -> None:
    document = json.loads(world.sink.objects[CONFIGURATION].body)
    world.sink.put(CONFIGURATION, json.dumps({**document, member: value}).encode())
    outcome = world.publish(bundle("a", "b", sequence_number=7))
    assert codes(outcome.findings) == ["ROT011"]
    assert json.loads(world.bodies()[CONFIGURATION])[member] == document[member]


@pytest.mark.parametrize("path", [JWKS, CONFIGURATION])
def test_a_missing_document_is_an_unfinished_publication(world: World, path: str) -> None:
    del world.sink.objects[path]
    outcome = world.publish(bundle("a", "b", sequence_number=7))
    assert codes(outcome.findings) == ["ROT012"]
    assert path in outcome.findings[0].where
    assert path in world.sink.objects


def test_keys_of_ours_that_the_manifest_does_not_list_yet_are_an_unfinished_publication(world: World) -> None:
    world.sink.put(JWKS, keys.jwks("a", "c"))
    assert codes(world.publish(bundle("a", "b", "c", sequence_number=8)).findings) == ["ROT012"]


@pytest.mark.parametrize(("path", "code"), [(JWKS, "ROT010"), (CONFIGURATION, "ROT011")])
@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]", b'{"x":1,"x":2,"keys":[]}', b"\xef\xbb\xbf{}"])
def test_what_we_cannot_read_others_may_so_it_is_a_stranger_s(
    world: World, path: str, code: str, body: bytes
) -> None:
    world.sink.put(path, body)
    outcome = world.publish(bundle("a", "b", sequence_number=7))
    assert codes(outcome.findings) == [code]
    assert world.sink.objects[path].body != body


def test_more_keys_than_a_bundle_may_have_are_strangers(world: World) -> None:
    jwks = {"keys": [keys.jwk("a"), *([{}] * 2500)]}
    world.sink.put(JWKS, json.dumps(jwks).encode())
    outcome = world.publish(bundle("a", "b", sequence_number=7))
    assert codes(outcome.findings) == ["ROT010"]


def test_other_settings_rewrite_the_configuration_and_say_so(world: World) -> None:
    world.settings = replace(SETTINGS, algorithms=("RS256", "ES256"))
    assert codes(world.publish(bundle("a", "b", sequence_number=7)).findings) == ["ROT019"]
    assert world.publish(bundle("a", "b", sequence_number=7)).findings == ()


@pytest.mark.parametrize(("ahead", "modified"), [(0, 1), (-60, 0), (240, 241), (3600, 0)])
def test_modified_at_goes_up_even_if_clocks_differ_a_little(world: World, ahead: int, modified: int) -> None:
    now = world.clock.now()
    other = replace(world.manifest(), modified_at=now + timedelta(seconds=ahead))
    world.sink.put(MANIFEST, other.dumps())
    outcome = world.publish(bundle("a", "b", "c", sequence_number=8))
    assert outcome.manifest.modified_at == now + timedelta(seconds=modified)


class TestSeveralHosts:
    """Two publishers with a state file each; what one accepted holds for the other."""

    @pytest.fixture
    def hosts(self) -> tuple[World, World]:
        one = World(memory=DictMemory())
        other = World(sink=one.sink, clock=one.clock, memory=DictMemory())
        for host in (one, other):
            host.publish(bundle("old1", "old2", sequence_number=100))
        one.clock.advance(minutes=5)
        return one, other

    @pytest.mark.parametrize("numbered", [True, False])
    def test_another_spire_behind_a_state_file_does_not_undo_a_reset(
        self, hosts: tuple[World, World], numbered: bool
    ) -> None:
        one, other = hosts
        one.publish(bundle("x", sequence_number=1 if numbered else None), overrides=BOTH)
        error = refused(other, bundle("old1", "old2", sequence_number=101 if numbered else None))
        assert codes(error.findings) == ["ROT001"]

    def test_the_right_spire_needs_no_override_on_every_host(self, hosts: tuple[World, World]) -> None:
        one, other = hosts
        one.publish(bundle("x", sequence_number=1), overrides=BOTH)
        assert other.publish(bundle("x", sequence_number=1)).findings == ()
        assert other.publish(bundle("x", "y", sequence_number=2)).findings == ()

    def test_an_old_state_file_does_not_lower_the_guard(self, hosts: tuple[World, World]) -> None:
        one, other = hosts
        one.publish(bundle("old2", "k1", sequence_number=101))
        one.publish(bundle("k1", "k2", sequence_number=102))
        one.publish(bundle("k2", "k3", sequence_number=104))
        assert codes(refused(other, bundle("k1", "k2", sequence_number=103)).findings) == ["ROT002"]

    def test_a_forged_manifest_without_an_override_is_no_reset(self, hosts: tuple[World, World]) -> None:
        one, _ = hosts
        thief = World(sink=MemorySink())
        thief.publish(bundle("thief", sequence_number=5))
        for path, stored in thief.sink.objects.items():
            one.sink.put(path, stored.body, stored.headers)
        outcome = one.publish(bundle("old1", "old2", sequence_number=100))
        assert codes(outcome.findings) == ["ROT018"]
        assert b"thief" not in one.bodies()[JWKS] + one.bodies()[MANIFEST]


def test_a_manifest_that_contradicts_its_own_jwks_is_tampering(world: World) -> None:
    forged = replace(world.manifest(), keys=world.manifest().keys[:1])
    world.sink.put(MANIFEST, forged.dumps())
    outcome = world.publish(bundle("a", "b", sequence_number=7))
    assert codes(outcome.findings) == ["ROT018"]
    assert world.manifest().override is None


def test_a_state_file_of_another_publication_is_named(world: World) -> None:
    memory = DictMemory(world.manifest().dumps())
    new = World(memory=memory, settings=replace(SETTINGS, issuer=Issuer.parse("https://other.example")))
    (finding,) = refused(new, bundle("a", sequence_number=8)).findings
    assert (finding.code, finding.where) == ("ROT004", "state file")
    assert "state file of its own" in finding.remedy


def test_the_other_url_of_the_same_object_is_no_other_path() -> None:
    urls = ("https://storage.googleapis.com/my-bucket", "https://my-bucket.storage.googleapis.com")
    world = World(sink=MemorySink(public_urls=urls))
    world.sink.put(JWKS, keys.jwks("a"))
    by_hand = {"issuer": urls[0], "jwks_uri": f"{urls[1]}/keys"}
    world.sink.put(CONFIGURATION, json.dumps(by_hand).encode())
    assert codes(world.publish(bundle("a")).findings) == ["ROT015"]


@pytest.mark.parametrize(
    "headers",
    [
        Headers(content_type="text/plain", cache_control="public, max-age=60"),
        Headers(content_type="application/json", cache_control="public, max-age=31536000"),
        Headers(content_type="application/json", cache_control=None),
        Headers(content_type="application/json", cache_control="public, max-age=60", content_encoding="gzip"),
    ],
)
def test_changed_headers_are_mended_by_writing_again(world: World, headers: Headers) -> None:
    body = world.sink.objects[JWKS].body
    world.sink.put(JWKS, body, headers)
    outcome = world.publish(bundle("a", "b", sequence_number=7))
    assert codes(outcome.findings) == ["ROT013"]
    stored = world.sink.objects[JWKS]
    assert stored.body == body
    assert stored.headers == Headers(content_type="application/json", cache_control="public, max-age=60")


def test_a_lost_manifest_is_written_again_when_a_state_file_remembers() -> None:
    world = World(memory=DictMemory())
    world.publish(bundle("a", sequence_number=3))
    first = world.clock.now()
    del world.sink.objects[MANIFEST]
    world.clock.advance(hours=2)
    outcome = world.publish(bundle("a", sequence_number=3))
    assert codes(outcome.findings) == ["ROT016"]
    assert world.manifest().keys[0].first_published_at == first


def test_a_broken_manifest_without_state_file_is_a_takeover(world: World) -> None:
    world.sink.put(MANIFEST, b"{broken")
    outcome = world.publish(bundle("a", "b", sequence_number=7))
    assert codes(outcome.findings) == ["ROT015", "ROT016"]


def test_the_state_file_guards_an_emptied_bucket() -> None:
    world = World(memory=DictMemory())
    world.publish(bundle("a", sequence_number=3))
    world.sink.objects.clear()
    assert codes(refused(world, bundle("x", sequence_number=3)).findings) == ["ROT001"]
    assert codes(refused(world, bundle("a", sequence_number=2)).findings) == ["ROT002"]
    assert codes(world.publish(bundle("a", sequence_number=3)).findings) == ["ROT016"]


class TestTakeover:
    @pytest.fixture
    def world(self) -> World:
        """A bucket that somebody filled by hand: agent keys verbatim, one of them long gone from SPIRE."""
        world = World()
        world.sink.put(JWKS, keys.jwks("a", "gone"))
        hand_made = {"issuer": str(SETTINGS.issuer), "jwks_uri": f"{SETTINGS.issuer}/keys"}
        world.sink.put(CONFIGURATION, json.dumps(hand_made).encode())
        return world

    def test_a_shared_key_is_enough(self, world: World) -> None:
        outcome = world.publish(bundle("a", "b"))
        assert codes(outcome.findings) == ["ROT015"]
        assert "gone" in outcome.findings[0].what
        assert [key.kid for key in outcome.changes.removed] == ["gone"]
        assert [key.kid for key in outcome.changes.kept] == ["a"]

    def test_no_shared_key_is_refused_but_can_be_accepted(self, world: World) -> None:
        assert codes(refused(world, bundle("x")).findings) == ["ROT006"]
        assert codes(world.publish(bundle("x"), overrides=DISJOINT).findings) == ["ROT017", "ROT015"]

    def test_something_that_is_no_jwks_is_refused(self, world: World) -> None:
        world.sink.put(JWKS, b"<html>")
        assert codes(refused(world, bundle("a")).findings) == ["ROT006"]

    def test_another_issuer_is_refused(self, world: World) -> None:
        world.sink.put(CONFIGURATION, b'{"issuer":"https://other.example"}')
        assert codes(refused(world, bundle("a")).findings) == ["ROT004"]

    def test_another_jwks_uri_is_refused(self, world: World) -> None:
        hand_made = {"issuer": str(SETTINGS.issuer), "jwks_uri": f"{SETTINGS.issuer}/jwks.json"}
        world.sink.put(CONFIGURATION, json.dumps(hand_made).encode())
        assert codes(refused(world, bundle("a")).findings) == ["ROT005"]

    def test_a_lone_configuration_protects_no_key(self, world: World) -> None:
        del world.sink.objects[JWKS]
        assert world.publish(bundle("x")).findings == ()

    def test_the_wanted_jwks_is_taken_over_whatever_wrote_it(self, world: World) -> None:
        other = World()
        other.publish(bundle("a"))
        world.sink.put(JWKS, other.bodies()[JWKS])
        assert codes(world.publish(bundle("a")).findings) == ["ROT015"]


class TestIdentity:
    def test_another_trust_domain(self, world: World) -> None:
        other = keys.bundle("a", trust_domain="other.example", sequence_number=8)
        assert codes(refused(world, other, overrides=BOTH).findings) == ["ROT003"]

    def test_another_issuer(self, world: World) -> None:
        world.settings = replace(SETTINGS, issuer=Issuer.parse("https://other.example"))
        assert codes(refused(world, bundle("a", sequence_number=8), overrides=BOTH).findings) == ["ROT004"]

    def test_another_jwks_path(self, world: World) -> None:
        world.settings = replace(SETTINGS, jwks_path="jwks.json")
        error = refused(world, bundle("a", sequence_number=8), overrides=BOTH)
        assert codes(error.findings) == ["ROT005"]
        assert "'keys'" in str(error)

    def test_a_manifest_without_a_jwks_is_no_reason_to_refuse(self, world: World) -> None:
        world.sink.put(MANIFEST, replace(world.manifest(), documents=()).dumps())
        outcome = world.publish(bundle("a", "b", sequence_number=7))
        assert codes(outcome.findings) == ["ROT012"]


def test_every_reason_is_given_at_once(world: World) -> None:
    world.settings = replace(SETTINGS, issuer=Issuer.parse("https://other.example"), jwks_path="jwks.json")
    error = refused(world, keys.bundle("x", trust_domain="other.example", sequence_number=1))
    assert codes(error.findings) == ["ROT003", "ROT004", "ROT005", "ROT001", "ROT002"]
