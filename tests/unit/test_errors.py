import pytest

from publisher import errors
from publisher.errors import ExitStatus, PublisherError
from publisher.findings import Finding, Severity

STATUS = {
    errors.UsageError: 2,
    errors.BundleError: 65,
    errors.RefusedError: 65,
    errors.SettingsError: 78,
    errors.SourceUnavailableError: 75,
    errors.SourceSettingsError: 78,
    errors.SinkUnavailableError: 75,
    errors.SinkConflictError: 75,
    errors.SinkSettingsError: 78,
    errors.WebError: 75,
    errors.WebUntrustedError: 78,
}


@pytest.mark.parametrize(("kind", "status"), STATUS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_each_error_ends_a_run_with_its_status(kind: type[PublisherError], status: int) -> None:
    assert kind.exit_status == status


def test_no_error_is_left_out_above() -> None:
    abstract = {PublisherError, errors.SourceError, errors.SinkError}
    found = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert found - abstract == set(STATUS)


def test_the_exit_statuses_are_those_of_the_issue() -> None:
    assert [status.value for status in ExitStatus] == [0, 1, 2, 65, 75, 78]


def test_a_message_says_where_what_and_remedy() -> None:
    error = PublisherError("issuer 'http://x'", "must be https", "set --issuer")
    assert str(error) == "issuer 'http://x': must be https; set --issuer"
    assert (error.where, error.what, error.remedy) == ("issuer 'http://x'", "must be https", "set --issuer")


def test_a_message_without_remedy_ends_with_what_is_wrong() -> None:
    assert str(PublisherError("keys", "is empty", "")) == "keys: is empty"


def test_every_source_and_sink_error_is_caught_as_one() -> None:
    assert {kind for kind in STATUS if issubclass(kind, errors.SourceError)} == {
        errors.SourceUnavailableError,
        errors.SourceSettingsError,
    }
    assert {kind for kind in STATUS if issubclass(kind, errors.SinkError)} == {
        errors.SinkUnavailableError,
        errors.SinkConflictError,
        errors.SinkSettingsError,
    }


def test_a_refusal_carries_every_finding() -> None:
    finding = Finding(code="ROT001", severity=Severity.ERROR, where="keys", what="disjoint", remedy="look")
    refused = errors.RefusedError("sink", "not replaced", "look", findings=(finding,))
    assert refused.findings == (finding,)
    assert str(refused) == "sink: not replaced; look"
