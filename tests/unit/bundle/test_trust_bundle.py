import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.bundle.trust_bundle import LARGEST_NUMBER, MOST_KEYS, TrustBundle
from publisher.errors import BundleError
from tests import keys


def test_authorities_are_ordered_by_kid() -> None:
    assert [one.kid for one in keys.bundle("b", "a", "B").jwt_authorities] == ["B", "a", "b"]


@given(st.permutations(["a", "b", "c", "d", "e"]))
def test_equal_bundles_compare_equal_whatever_order_a_source_gave(kids: list[str]) -> None:
    assert keys.bundle(*kids) == keys.bundle("a", "b", "c", "d", "e")


def test_an_empty_bundle_is_refused() -> None:
    with pytest.raises(BundleError, match=r"example\.org: has no JWT authorities yet; wait until"):
        keys.bundle()


def test_two_keys_of_one_kid_are_refused() -> None:
    with pytest.raises(BundleError, match="has two keys of kid 'a'"):
        keys.bundle("a", "b", keys.authority("a", seed="other"))


def test_one_key_twice_is_refused() -> None:
    with pytest.raises(BundleError, match="has two keys of kid 'a'"):
        keys.bundle("a", "a")


def test_one_key_may_have_two_kids() -> None:
    both = keys.bundle(keys.authority("a", seed="same"), keys.authority("b", seed="same"))
    assert len({one.key.thumbprint for one in both.jwt_authorities}) == 1


def test_as_many_keys_as_the_limit_are_taken_and_one_more_is_not() -> None:
    key = keys.authority("a")
    many = [type(key)(kid=f"{number}", key=key.key) for number in range(MOST_KEYS + 1)]
    assert len(keys.bundle(*many[1:]).jwt_authorities) == 2000
    with pytest.raises(BundleError, match="has 2001 JWT authorities, more than 2000"):
        keys.bundle(*many)


@pytest.mark.parametrize("number", [None, 0, 1, LARGEST_NUMBER])
def test_sequence_number_and_refresh_hint_are_kept(number: int | None) -> None:
    bundle = keys.bundle("a", sequence_number=number, refresh_hint=number)
    assert (bundle.sequence_number, bundle.refresh_hint) == (number, number)


@pytest.mark.parametrize("number", [-1, LARGEST_NUMBER + 1])
def test_a_number_out_of_bounds_is_refused_from_whichever_source(number: int) -> None:
    with pytest.raises(BundleError, match=f"sequence number {number} is not from 0"):
        keys.bundle("a", sequence_number=number)
    with pytest.raises(BundleError, match=f"refresh hint {number} is not from 0"):
        keys.bundle("a", refresh_hint=number)


def test_a_bundle_is_a_value() -> None:
    assert isinstance(hash(keys.bundle("a")), int)
    assert keys.bundle("a", sequence_number=1) != keys.bundle("a", sequence_number=2)
    assert TrustBundle(trust_domain=keys.EXAMPLE_ORG, jwt_authorities=(keys.authority("a"),)) == keys.bundle(
        "a"
    )
