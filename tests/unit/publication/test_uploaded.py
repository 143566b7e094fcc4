"""What of a bundle can be uploaded: everything, all but expired keys where there are too many, or nothing."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from publisher.bundle.fetched import Fetched, SourceKind
from publisher.bundle.jwt_authority import JwtAuthority
from publisher.errors import BundleError, ExitStatus, RefusedError
from publisher.findings import Severity
from publisher.oidc.jwks import published_jwk
from publisher.publication.manifest import Manifest
from publisher.publication.uploaded import LEFT_OUT, UPLOAD, fit
from tests import keys
from tests.doubles import NOON, DictMemory, MemorySink
from tests.worlds import CONFIGURATION, JWKS, MANIFEST, SETTINGS, World

HOUR = timedelta(hours=1)


def valid(*kids: str) -> list[JwtAuthority]:
    return [keys.authority(kid, expires_at=NOON + HOUR) for kid in kids]


def ended(kid: str, ago: timedelta = HOUR) -> JwtAuthority:
    return keys.authority(kid, expires_at=NOON - ago)


def fetched(*authorities: JwtAuthority | str, kind: SourceKind = SourceKind.SERVER_API) -> Fetched:
    return Fetched(bundle=keys.bundle(*authorities), source=kind)


def kids(result: Fetched) -> list[str]:
    return [authority.kid for authority in result.bundle.jwt_authorities]


def test_what_google_takes() -> None:
    assert UPLOAD.most_keys == 8
    assert UPLOAD.members is not None
    for alg in ("RS256", "ES256"):
        assert published_jwk(keys.authority("a", alg)).keys() <= UPLOAD.members


@pytest.mark.parametrize(
    "authorities",
    [valid("a"), valid(*"abcdefgh"), [*valid(*"abcdefg"), ended("h")], list("abcdefgh")],
    ids=["one", "eight", "eight, one of them expired", "eight without known ends"],
)
def test_what_fits_is_left_alone(authorities: list[JwtAuthority]) -> None:
    given = fetched(*authorities)
    assert fit(given, now=NOON) is given


def test_the_longest_expired_are_left_out_until_the_others_fit() -> None:
    given = fetched(*valid(*"abcdef"), ended("x"), ended("y", 3 * HOUR), ended("z", 2 * HOUR), ended("w"))
    result = fit(given, now=NOON)
    assert kids(result) == [*"abcdef", "w", "x"]
    (finding,) = result.findings
    assert (finding.code, finding.severity) == (LEFT_OUT, Severity.INFO)
    assert "2 expired of 10 keys" in finding.what
    assert "'y'" in finding.what
    assert "'z'" in finding.what
    assert given.bundle != result.bundle


def test_of_equal_ends_the_first_kid_goes() -> None:
    result = fit(fetched(*valid(*"abcdefg"), ended("y"), ended("x")), now=NOON)
    assert kids(result) == [*"abcdefg", "y"]


@pytest.mark.parametrize(
    ("ago", "refused"),
    [(timedelta(minutes=5), False), (timedelta(minutes=4, seconds=59), True), (-HOUR, True)],
)
def test_a_key_has_expired_when_no_clock_doubts_it(ago: timedelta, *, refused: bool) -> None:
    given = fetched(*valid(*"abcdefgh"), ended("x", ago))
    if refused:
        with pytest.raises(BundleError, match="has 9 keys that are valid"):
            fit(given, now=NOON)
    else:
        assert kids(fit(given, now=NOON)) == list("abcdefgh")


def test_too_many_valid_keys_are_refused_and_named() -> None:
    with pytest.raises(BundleError) as caught:
        fit(fetched(*valid(*"abcdefghi"), ended("x")), now=NOON)
    assert caught.value.exit_status is ExitStatus.UNSAFE
    assert "has 9 keys that are valid" in caught.value.what
    assert "'i'" in caught.value.what
    assert "KeyManager" in caught.value.remedy


def test_a_source_that_tells_no_ends_is_named() -> None:
    with pytest.raises(BundleError, match=r"may be valid.*workload-api.*server-api: or the plugin"):
        fit(fetched(*"abcdefghi", kind=SourceKind.WORKLOAD_API), now=NOON)


def test_p_384_is_refused_by_name() -> None:
    with pytest.raises(BundleError, match=r"kid 'b': is a key for ES384.*no P-384.*jwt_key_type") as caught:
        fit(fetched("a", keys.authority("b", "ES384")), now=NOON)
    assert caught.value.exit_status is ExitStatus.UNSAFE


class TestPublication:
    """The same in a publication: one document, and a manifest that lists no other."""

    def world(self, now: datetime = NOON) -> World:
        world = World(
            sink=MemorySink(keeps_headers=False),
            memory=DictMemory(),
            settings=replace(SETTINGS, uploaded=True),
        )
        world.clock.time = now
        return world

    def test_only_the_keys_are_written(self) -> None:
        world = self.world()
        outcome = world.publish(keys.bundle("a", "b"))
        assert outcome.written == (JWKS,)
        assert world.sink.written == [JWKS, MANIFEST]
        manifest = Manifest.parse(world.sink.objects[MANIFEST].body, where="test")
        assert [document.path for document in manifest.documents] == [JWKS]
        assert CONFIGURATION not in world.sink.objects

    def test_nothing_is_written_without_a_change(self) -> None:
        world = self.world()
        world.publish(keys.bundle("a", "b"))
        outcome = world.publish(keys.bundle("a", "b"))
        assert not outcome.changed
        assert outcome.findings == ()
        assert world.sink.written == [JWKS, MANIFEST, MANIFEST]

    def test_keys_that_are_left_out_are_in_no_record_and_no_strangers_to_the_next_run(self) -> None:
        world = self.world(NOON - 2 * HOUR)
        eight = [*valid(*"abcdefg"), ended("x")]
        world.publish(keys.bundle(*eight))
        world.clock.time = NOON
        outcome = world.publish(keys.bundle(*eight, *valid("i")))
        assert [key.kid for key in outcome.changes.removed] == ["x"]
        assert [key.kid for key in outcome.manifest.keys] == [*"abcdefg", "i"]
        assert [finding.code for finding in outcome.findings if finding.code[:3] in {"WIF", "ROT"}] == [
            LEFT_OUT
        ]

    def test_too_many_keys_change_nothing(self) -> None:
        world = self.world()
        world.publish(keys.bundle(*valid("a")))
        with pytest.raises(BundleError):
            world.publish(keys.bundle(*valid(*"abcdefghi")))
        assert world.sink.written == [JWKS, MANIFEST]

    def test_expired_keys_that_are_left_out_still_show_that_it_is_the_same_spire(self) -> None:
        world = self.world(NOON - 4 * HOUR)
        world.publish(keys.bundle(ended("x")))
        world.clock.time = NOON
        outcome = world.publish(keys.bundle(*valid(*"abcdefgh"), ended("x")))
        assert [key.kid for key in outcome.changes.removed] == ["x"]
        assert [key.kid for key in outcome.manifest.keys] == list("abcdefgh")
        assert not {"ROT001", "ROT010", "ROT017"} & {finding.code for finding in outcome.findings}
        assert outcome.manifest.override is None

    def test_the_guards_are_the_same(self) -> None:
        world = self.world()
        world.publish(keys.bundle("a", sequence_number=2))
        for other in (keys.bundle("z"), keys.bundle("a", sequence_number=1)):
            with pytest.raises(RefusedError):
                world.publish(other)
