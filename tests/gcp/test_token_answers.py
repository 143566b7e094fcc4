"""The answer of `gcp token`, as the libraries' own contract has it."""

import base64
import json
import multiprocessing
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.auth import exceptions, pluggable

from publisher.errors import (
    PublisherError,
    SettingsError,
    SourceSettingsError,
    SourceUnavailableError,
    UsageError,
)
from publisher.gcp.executable_token import JWT, Answer, Question, code_of, failed, failure, keep, success
from publisher.gcp.identity_choice import Choice, NoSuchIdentityError, SeveralIdentitiesError
from publisher.gcp.jwt_svid import JwtSvid, NoIssuerError, read_jwt_svid
from publisher.gcp.workload_svids import NotRegisteredError
from tests.gcp.scripted_agent import Identity

NOW = datetime(2026, 11, 22, tzinfo=UTC)
UNIX = int(NOW.timestamp())
APP = "spiffe://example.org/app"
PREFIX = "GOOGLE_EXTERNAL_ACCOUNT_"


def svid(*, issued: int = 0, life: int = 300) -> JwtSvid:
    return JwtSvid(token="a.b.c", spiffe_id=APP, issued_at=UNIX + issued, expires_at=UNIX + issued + life)


def parsed(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let google-auth read an answer as it reads standard output."""
    source = {"executable": {"command": "/bin/true"}}
    credentials = pluggable.Credentials("//aud", JWT, "https://sts.googleapis.com/v1/token", source)  # type: ignore[no-untyped-call]
    monkeypatch.setattr("google.auth.pluggable.time.time", lambda: float(UNIX))
    token: str = credentials._parse_subject_token(json.loads(answer.body))  # type: ignore[no-untyped-call]
    return token


@pytest.mark.parametrize(
    ("issued", "life", "expires", "cacheable"),
    [
        (0, 300, 240, True),  # a minute early
        (0, 100, 75, True),  # a quarter of its life early
        (-200, 300, 40, True),
        (-250, 300, 50, False),  # less than the margin is left: the true end, and not for keeping
        (0, 1, 1, True),
    ],
)
def test_an_answer_ends_before_its_token_where_that_leaves_time(
    issued: int, life: int, expires: int, cacheable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = success(svid(issued=issued, life=life), JWT, UNIX)
    assert json.loads(answer.body)["expiration_time"] == UNIX + expires
    assert answer.is_cacheable is cacheable
    assert answer.body.endswith(b"}\n")
    assert answer.body.count(b"\n") == 1
    assert parsed(answer, monkeypatch) == "a.b.c"


def test_google_auth_reports_a_failure_with_its_code_and_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    error = NotRegisteredError("agent", "knows nobody", "register it")
    with pytest.raises(
        exceptions.RefreshError, match=r"NOT_REGISTERED, message: agent: knows nobody; register it"
    ):
        parsed(failure(error), monkeypatch)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotRegisteredError("a", "b", "c"), "NOT_REGISTERED"),
        (SeveralIdentitiesError("a", "b", "c"), "SEVERAL_IDENTITIES"),
        (NoSuchIdentityError("a", "b", "c"), "NO_SUCH_IDENTITY"),
        (NoIssuerError("a", "b", "c"), "NO_ISSUER"),
        (SourceUnavailableError("a", "b", "c"), "UNAVAILABLE"),
        (SourceSettingsError("a", "b", "c"), "SETTINGS"),
        (UsageError("a", "b", "c"), "USAGE"),
    ],
)
def test_each_kind_of_failure_has_its_word(error: PublisherError, code: str) -> None:
    assert code_of(error) == code
    assert failed(code, str(error)) == failure(error)


def test_a_question_is_read_from_the_environment() -> None:
    asked = Question.read(
        {f"{PREFIX}AUDIENCE": "//aud", f"{PREFIX}OUTPUT_FILE": "/x", f"{PREFIX}REVOKE": "0"}
    )
    assert asked == Question(audience="//aud", token_type=JWT, output_file="/x")
    assert Question.read({f"{PREFIX}AUDIENCE": "", f"{PREFIX}TOKEN_TYPE": ""}) == Question()


@pytest.mark.parametrize(
    "environment",
    [{f"{PREFIX}TOKEN_TYPE": "urn:ietf:params:oauth:token-type:saml2"}, {f"{PREFIX}REVOKE": "1"}],
)
def test_another_question_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        Question.read(environment)


def jwt_of(claims: Any) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'ES256'})}.{part(claims)}.c2ln"


GOOD = {"sub": APP, "aud": ["//aud"], "iss": "https://issuer.example", "iat": UNIX, "exp": UNIX + 300}


def read(token: str) -> JwtSvid:
    return read_jwt_svid(token, spiffe_id=APP, audience="//aud", now=NOW, where="agent")


def test_a_good_jwt_svid_is_read_and_its_token_is_not_shown() -> None:
    found = read(jwt_of(GOOD | {"aud": "//aud"}))
    assert (found.issued_at, found.expires_at, found.life) == (UNIX, UNIX + 300, 300)
    assert found.token not in repr(found)
    assert read(jwt_of({name: GOOD[name] for name in GOOD if name != "iat"})).issued_at == UNIX


@pytest.mark.parametrize(
    ("token", "kind", "words"),
    [
        ("", SourceSettingsError, "no JWT"),
        ("a.b", SourceSettingsError, "no JWT"),
        ("a.b.c\n", SourceSettingsError, "no JWT"),
        ("a" * 70_000 + ".b.c", SourceSettingsError, "no JWT"),
        ("a.YQ.c", SourceSettingsError, "no JSON"),
        (jwt_of([1]), SourceSettingsError, "no JSON object"),
        (jwt_of(GOOD | {"exp": "soon"}), SourceSettingsError, "exp or iat"),
        (jwt_of(GOOD | {"exp": True}), SourceSettingsError, "exp or iat"),
        (jwt_of(GOOD | {"exp": 10**15}), SourceSettingsError, "exp or iat"),
        (jwt_of(GOOD | {"sub": "spiffe://example.org/other"}), SourceSettingsError, "another subject"),
        (jwt_of(GOOD | {"aud": ["//other"]}), SourceSettingsError, "another audience"),
        (jwt_of(GOOD | {"exp": UNIX}), SourceUnavailableError, "has run out at 2026-11-22 00:00:00Z"),
        (jwt_of(GOOD | {"iss": ""}), NoIssuerError, "no iss"),
    ],
)
def test_a_useless_jwt_svid_is_refused_without_showing_it(
    token: str, kind: type[PublisherError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        read(token)
    assert len(token) < 3 or token not in str(caught.value)


ONE, OTHER = Identity(hint="one"), Identity(spiffe_id="spiffe://example.org/other", hint="two")


@pytest.mark.parametrize(
    ("choice", "offered", "chosen"),
    [
        (Choice(), [ONE], ONE),
        (Choice(spiffe_id=OTHER.spiffe_id), [ONE, OTHER], OTHER),
        (Choice(hint="two"), [ONE, OTHER], OTHER),
        (Choice(spiffe_id=APP, hint="one"), [ONE, OTHER], ONE),
        (Choice(), [ONE, OTHER], SeveralIdentitiesError),
        (Choice(), [], NoSuchIdentityError),
        (Choice(hint="three"), [ONE, OTHER], NoSuchIdentityError),
        (Choice(spiffe_id=APP, hint="two"), [ONE, OTHER], NoSuchIdentityError),
        (Choice(spiffe_id=APP), [ONE, Identity(hint="again")], SeveralIdentitiesError),
    ],
)
def test_one_identity_is_chosen_or_none(choice: Choice, offered: list[Identity], chosen: Any) -> None:
    if isinstance(chosen, Identity):
        assert choice.of(offered, where="agent") is chosen
        return
    with pytest.raises(chosen) as caught:
        choice.of(offered, where="agent")
    assert all(one.spiffe_id in str(caught.value) for one in offered)


def test_an_answer_is_kept_whole_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    (tmp_path / ".answer.json.unfinished").write_text("left by a killed run, and longer than the answer" * 99)
    for number in range(3):
        body = json.dumps({"number": number}).encode()
        assert keep(Answer(body=body), str(file))
        assert file.read_bytes() == body
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["answer.json"]


def test_an_answer_is_not_kept_where_somebody_else_could_meddle(tmp_path: Path) -> None:
    answer = Answer(body=b"secret")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    below = shared / "own"
    below.mkdir(mode=0o700)
    linked = tmp_path / "linked"
    linked.symlink_to(tmp_path, target_is_directory=True)
    trap = tmp_path / "trap"
    (tmp_path / ".answer.json.unfinished").symlink_to(trap)
    for place in (shared / "x", below / "x", linked / "x", tmp_path / "absent/x", tmp_path / "answer.json"):
        assert not keep(answer, str(place))
        assert not place.exists()
    assert not keep(answer, "with\0zero")
    assert not trap.exists()


def _keep_often(path: str, number: int) -> None:
    os.nice(5)
    for _ in range(200):
        keep(Answer(body=json.dumps({"number": [number] * 500}).encode()), path)


def test_many_writers_at_once_leave_whole_answers_only(tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    keep(Answer(body=b'{"number": [0]}'), str(file))
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_keep_often, args=(str(file), number)) for number in range(3)]
    for writer in writers:
        writer.start()
    reads = 0
    while any(writer.is_alive() for writer in writers):
        assert len(set(json.loads(file.read_bytes())["number"])) == 1
        reads += 1
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert reads > 10
