from publisher.bundle.fetched import Fetched, SourceKind, Witness
from tests import keys


def test_the_kinds_of_source_are_written_as_in_a_manifest() -> None:
    assert [str(kind) for kind in SourceKind] == [
        "file",
        "bundle-endpoint",
        "workload-api",
        "server-api",
        "spire-plugin",
    ]


def test_a_fetch_without_witness_says_so() -> None:
    fetched = Fetched(bundle=keys.bundle("a"), source=SourceKind.FILE)
    assert (fetched.findings, fetched.witness) == ((), None)
    assert Witness(iss=None, kid="one") != fetched.witness
