"""The sink of a workload identity provider, at the stand-in for Google: what a sink promises, and limits."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from publisher import strict_json
from publisher.errors import SinkConflictError, SinkSettingsError, SinkUnavailableError
from publisher.oidc import jwks
from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH
from publisher.publication.document_set import Document
from publisher.sinks.state_file import StateFile
from publisher.sinks.wif_provider import WifProviderSink
from publisher.sinks.wif_provider_client import ProviderClient, open_provider_client
from tests import keys
from tests.emulator.clock import soon
from tests.google.faults import ALWAYS, Fault, Kind, status
from tests.google.google import Google, running_google
from tests.provider_place import ADMIN, PROJECT, ProviderPlace, make_place

ISSUER = "https://issuer.example/spire"


@pytest.fixture(scope="module")
def google_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Google]:
    with running_google(tmp_path_factory.mktemp("google")) as started:
        yield started


@pytest.fixture
def place(google_process: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProviderPlace:
    google_process.reset()
    made = make_place(google_process, tmp_path, issuer=ISSUER)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def client(place: ProviderPlace) -> Iterator[ProviderClient]:
    opened = open_provider_client(place.google.iam_url)
    yield opened
    opened.close()


@dataclass
class Opened:
    """The sink and what it stands on."""

    place: ProviderPlace
    client: ProviderClient
    state: Path

    def again(self, name: str | None = None, issuer: str = ISSUER) -> WifProviderSink:
        return WifProviderSink(
            client=self.client,
            name=name or self.place.name,
            issuer=issuer,
            manifest=StateFile(self.state),
        )


@pytest.fixture
def opened(place: ProviderPlace, client: ProviderClient, tmp_path: Path) -> Opened:
    return Opened(place, client, tmp_path / "state.json")


@pytest.fixture
def sink(opened: Opened) -> WifProviderSink:
    return opened.again()


def document(*kids: str, alg: str = "ES256", path: str = "keys") -> Document:
    bundle = keys.bundle(*(keys.authority(kid, alg) for kid in kids))
    return Document.of(path, jwks.build(bundle, algorithms=[alg]), max_age=None)


def manifest(text: str = '{"a":1}') -> Document:
    return Document.of(MANIFEST_PATH, text.encode(), max_age=None)


@pytest.mark.parametrize("path", ["keys", CONFIGURATION_PATH, MANIFEST_PATH])
def test_what_is_absent_reads_as_none(sink: WifProviderSink, path: str) -> None:
    assert sink.read(path, soon()) is None


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_keys_are_uploaded_and_read_back(sink: WifProviderSink, place: ProviderPlace, alg: str) -> None:
    wanted = document("a", "b", alg=alg)
    written = sink.write(wanted, None, soon())
    assert sink.read("keys", soon()) == written
    assert written.is_like(wanted)
    assert place.uploaded == wanted.body.decode()
    assert place.google.provider(place.name)["oidc"]["issuerUri"] == ISSUER, "nothing else is touched"
    assert [finding.code for finding in sink.findings()] == ["WIF002"], "the issuer is not read any more"


def test_known_keys_are_replaced(opened: Opened) -> None:
    first = opened.again().write(document("a"), None, soon())
    sink = opened.again()
    second = sink.write(document("b"), first, soon())
    assert second.generation != first.generation
    assert opened.place.kids == {"b"}
    assert sink.findings() == ()


def test_keys_in_another_form_are_the_same_keys(sink: WifProviderSink, place: ProviderPlace) -> None:
    wanted = document("a", "b")
    shuffled = {"keys": json.loads(wanted.body)["keys"][::-1]}
    place.upload_text(json.dumps(shuffled, indent=2))
    found = sink.read("keys", soon())
    assert found is not None
    assert found.is_like(wanted)


@pytest.mark.parametrize("text", ["[]", '{"keys": 7}', '{"keys": [7, {"kid": 7}, {"kid": "a"}]}', "{"])
def test_what_is_no_set_of_keys_is_read_as_it_is(
    sink: WifProviderSink, place: ProviderPlace, text: str
) -> None:
    place.google.inject(
        Fault(
            kind=Kind.ANSWER,
            where="^GET .*/providers/spire",
            status=200,
            body=json.dumps({"name": place.name, "oidc": {"issuerUri": ISSUER, "jwksJson": text}}),
        )
    )
    found = sink.read("keys", soon())
    assert found is not None
    assert found.body.decode() == text.replace(" ", "")


def test_other_keys_than_were_read_are_not_overwritten(sink: WifProviderSink, place: ProviderPlace) -> None:
    place.upload("theirs")
    for replaces in (None, sink.read("keys", soon())):
        place.upload("newer") if replaces else None
        with pytest.raises(SinkConflictError, match="other keys than a moment ago"):
            sink.write(document("a"), replaces, soon())
    assert place.uploads == 0


def test_the_manifest_is_kept_in_the_file(opened: Opened) -> None:
    sink = opened.again()
    sink.rehearse(soon())
    written = sink.write(manifest(), None, soon())
    assert opened.state.read_bytes() == b'{"a":1}'
    assert opened.again().read(MANIFEST_PATH, soon()) == written
    with pytest.raises(SinkConflictError):
        sink.write(manifest("{}"), None, soon())
    assert sink.write(manifest("{}"), written, soon()).body == b"{}"
    assert opened.place.google.count("/workloadIdentityPools/") == 0, "Google is not asked for it"


def test_a_configuration_document_has_no_place(sink: WifProviderSink) -> None:
    with pytest.raises(SinkSettingsError, match="no place"):
        sink.write(Document.of(CONFIGURATION_PATH, b"{}", max_age=None), None, soon())


def test_it_says_where_it_is(sink: WifProviderSink, place: ProviderPlace) -> None:
    assert sink.location == place.sink
    assert sink.public_urls == ()


def test_a_slow_operation_is_waited_for(sink: WifProviderSink, place: ProviderPlace) -> None:
    place.google.configure(operation_polls=3)
    sink.write(document("a"), None, soon())
    assert place.google.count("^GET .*/operations/") == 4
    place.google.configure(operation_polls=1000)
    with pytest.raises(SinkUnavailableError, match="does not show the uploaded keys yet"):
        sink.write(document("b"), sink.read("keys", soon()), soon(1.5))


@pytest.mark.parametrize(
    ("code", "kind"), [(9, SinkSettingsError), (10, SinkUnavailableError), (14, SinkUnavailableError)]
)
def test_an_operation_that_fails_is_said(
    sink: WifProviderSink, place: ProviderPlace, code: int, kind: type[Exception]
) -> None:
    failed = {"name": "x", "done": True, "error": {"code": code, "message": "no more today"}}
    place.google.inject(Fault(kind=Kind.ANSWER, where="/operations/", status=200, body=json.dumps(failed)))
    with pytest.raises(kind, match=r"operation failed: .*no more today"):
        sink.write(document("a"), None, soon())


@pytest.mark.parametrize(
    ("what", "kids", "alg"),
    [("9 keys", list("abcdefghi"), "ES256"), ("P-384", ["a"], "ES384")],
    ids=str,
)
def test_what_google_refuses_is_in_its_words(
    sink: WifProviderSink, place: ProviderPlace, what: str, kids: list[str], alg: str
) -> None:
    with pytest.raises(SinkSettingsError, match="answered 400") as caught:
        sink.write(document(*kids, alg=alg), None, soon())
    assert place.uploaded is None, what
    assert "does not take these keys" in caught.value.remedy


def test_a_provider_that_is_not_there(opened: Opened) -> None:
    other = opened.again(opened.place.name.replace("/spire", "/absent"))
    with pytest.raises(SinkSettingsError, match=r"no such provider.*gcp setup"):
        other.read("keys", soon())


@pytest.mark.parametrize(("state", "remedy"), [("delete", "undelete"), ("disable", "--no-disabled")])
def test_a_provider_that_is_switched_off(
    sink: WifProviderSink, place: ProviderPlace, state: str, remedy: str
) -> None:
    getattr(place.google, state)(place.name)
    with pytest.raises(SinkSettingsError, match=f"is {state}d.*{remedy}"):
        sink.read("keys", soon())


def test_another_issuer_is_refused(opened: Opened) -> None:
    with pytest.raises(SinkSettingsError, match="byte for byte"):
        opened.again(issuer=f"{ISSUER}/").read("keys", soon())


@pytest.mark.parametrize("kind", ["aws", "x509", "saml"])
def test_another_kind_of_provider_takes_no_keys(
    sink: WifProviderSink, place: ProviderPlace, kind: str
) -> None:
    shown = {"name": place.name, "state": "ACTIVE", kind: {}}
    place.google.inject(Fault(kind=Kind.ANSWER, status=200, where="^GET .*/v1/", body=json.dumps(shown)))
    with pytest.raises(SinkSettingsError, match=f"of kind {kind}.*OIDC"):
        sink.read("keys", soon())


def test_a_missing_right_names_the_role(sink: WifProviderSink, place: ProviderPlace) -> None:
    place.google.unbind(f"projects/{PROJECT}", ADMIN, place.member)
    with pytest.raises(SinkSettingsError, match=f"answered 403.*{ADMIN}"):
        sink.read("keys", soon())
    place.google.bind(f"projects/{PROJECT}", "roles/iam.workloadIdentityPoolViewer", place.member)
    with pytest.raises(SinkSettingsError, match=f"answered 403.*{ADMIN}"):
        sink.write(document("a"), sink.read("keys", soon()), soon())


@pytest.mark.parametrize(
    ("code", "body", "remedy"),
    [
        (401, None, "Application Default Credentials"),
        (403, '{"error": {"message": "x", "details": [{"reason": "SERVICE_DISABLED"}]}}', "services enable"),
        (400, "<html>no</html>", "does not take these keys"),
    ],
)
def test_final_answers(
    sink: WifProviderSink, place: ProviderPlace, code: int, body: str | None, remedy: str
) -> None:
    place.google.inject(
        Fault(kind=Kind.ANSWER, status=code, where="/providers/spire", body=body, times=ALWAYS)
    )
    with pytest.raises(SinkSettingsError) as caught:
        sink.read("keys", soon())
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    "fault",
    [
        *(status(code) for code in (409, 429, 500, 503)),
        Fault(kind=Kind.RESET),
        Fault(kind=Kind.LOSE_REPLY),
        Fault(kind=Kind.HTML),
        Fault(kind=Kind.TRUNCATE),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
@pytest.mark.parametrize("where", ["^GET .*/providers/spire", "^PATCH ", "/operations/"])
def test_what_passes_is_tried_again(
    sink: WifProviderSink, place: ProviderPlace, fault: Fault, where: str
) -> None:
    place.google.inject(Fault(**{**fault.as_json(), "where": where}))
    written = sink.write(document("a"), None, soon())
    assert sink.read("keys", soon()) == written
    assert place.kids == {"a"}


@pytest.mark.parametrize("kind", [Kind.HTML, Kind.WRONG_JSON])
def test_answers_that_make_no_sense_end_it(sink: WifProviderSink, place: ProviderPlace, kind: Kind) -> None:
    place.google.inject(Fault(kind=kind, where="/providers/spire", times=ALWAYS))
    with pytest.raises(SinkUnavailableError, match="makes no sense"):
        sink.read("keys", soon())


@pytest.mark.parametrize(
    "oidc", [None, {"issuerUri": ISSUER, "jwksJson": {"keys": []}}], ids=["no oidc", "keys no string"]
)
def test_a_provider_of_another_shape(
    sink: WifProviderSink, place: ProviderPlace, oidc: dict[str, object] | None
) -> None:
    shown = {"name": place.name, "state": "ACTIVE", "oidc": oidc}
    fault = Fault(
        kind=Kind.ANSWER, status=200, where="/providers/spire", body=json.dumps(shown), times=ALWAYS
    )
    place.google.inject(fault)
    with pytest.raises(SinkUnavailableError, match="makes no sense"):
        sink.read("keys", soon())


def test_overload_until_the_end(sink: WifProviderSink, place: ProviderPlace) -> None:
    place.google.inject(status(503, where="/providers/spire", times=ALWAYS))
    with pytest.raises(SinkUnavailableError, match=r"answered 503: .told to.*iam\.googleapis\.com"):
        sink.read("keys", soon(1))


def test_a_list_instead_of_an_object(sink: WifProviderSink, place: ProviderPlace) -> None:
    place.google.inject(
        Fault(kind=Kind.ANSWER, status=200, where="/providers/spire", body="[]", times=ALWAYS)
    )
    with pytest.raises(SinkUnavailableError, match="no JSON object"):
        sink.read("keys", soon())


def test_a_patch_that_names_no_operation_is_read_back(sink: WifProviderSink, place: ProviderPlace) -> None:
    place.google.inject(Fault(kind=Kind.WRONG_JSON, where="^PATCH "))
    with pytest.raises(SinkUnavailableError, match="does not show"):
        sink.write(document("a"), None, soon(1.5))
    assert place.uploaded is None, "the answer was somebody else's"


@pytest.mark.parametrize("name", ["https://evil.example/operations/x", "projects/1/../operations/x", 7])
def test_an_operation_of_another_place_is_not_asked_for(
    sink: WifProviderSink, place: ProviderPlace, name: object
) -> None:
    body = json.dumps({"name": name})
    place.google.inject(Fault(kind=Kind.ANSWER, status=200, where="^PATCH ", body=body))
    with pytest.raises(SinkUnavailableError):
        sink.write(document("a"), None, soon(1))
    assert place.google.count("operations") == 0


def test_keys_that_are_no_json_are_read_as_they_are(sink: WifProviderSink, place: ProviderPlace) -> None:
    shown = {"name": place.name, "oidc": {"issuerUri": ISSUER, "jwksJson": "{"}}
    place.google.inject(Fault(kind=Kind.ANSWER, status=200, where="/providers/spire", body=json.dumps(shown)))
    found = sink.read("keys", soon())
    assert found is not None
    assert found.body == b"{"


def test_another_publisher_right_after_the_upload(sink: WifProviderSink, place: ProviderPlace) -> None:
    shown = {"name": place.name, "oidc": {"issuerUri": ISSUER, "jwksJson": '{"keys":[]}'}}
    body = strict_json.dumps(shown).decode()
    place.google.configure(operation_polls=0)
    place.google.inject(
        Fault(kind=Kind.DELAY, where="^GET .*/providers/spire"),
        Fault(kind=Kind.ANSWER, status=200, where="^GET .*/providers/spire", body=body),
    )
    with pytest.raises(SinkConflictError):
        sink.write(document("a"), None, soon())


def test_credentials_that_hang_on_these_keys_are_noticed(opened: Opened) -> None:
    assert opened.again().findings() == ()
    finding = opened.again(issuer="https://bootstrap.example").findings()
    assert [one.code for one in finding] == ["GCS001"]


def test_no_credentials(place: ProviderPlace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent"))
    with pytest.raises(SinkSettingsError, match="Application Default Credentials"):
        open_provider_client(place.google.iam_url)


def test_credentials_that_google_refuses(sink: WifProviderSink, place: ProviderPlace) -> None:
    place.google.disable(f"{place.name.rpartition('/')[0]}/bootstrap")
    with pytest.raises(SinkSettingsError, match=r"no access token.*Application Default Credentials"):
        sink.read("keys", soon())
