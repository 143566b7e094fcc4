"""One identity for one machine: Google's own libraries find what they look for, and nothing else does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gcp.metadata import one_identity
from tests.gcp.metadata.one_identity import SECRET
from tests.gcp.metadata.serving import DEFAULT, FLAVOR, Serving, ask
from tests.gcp.metadata.world import APP, PROJECT, PROJECT_ID, World, new_world
from tests.google import fixtures
from tests.google.google import Google
from tests.peers.peer import SpirePeer

google, google_process = fixtures.google, fixtures.google_process
spire, world, server = one_identity.spire, one_identity.world, one_identity.server
ROOT = "/computeMetadata/v1"


@pytest.fixture(scope="module")
def still(google_process: Google, spire: SpirePeer) -> Iterator[Serving]:
    """Have one server for all tests in which nothing is asked of Google."""
    google_process.reset()
    machine = ("--instance-id", "42", "--instance-name", "vm", "--instance-zone", "europe-west3-a")
    with new_world(google_process, spire).one("--service-account", APP, *machine) as running:
        google_process.forget()
        yield running
        assert not SECRET.search(running.log), "a token or a key is in the log"


def test_the_ping_needs_no_header_and_says_what_it_is(still: Serving) -> None:
    got = still.get("/", {})
    assert (got.status, got.text) == (200, "computeMetadata/\n")
    assert got.headers["metadata-flavor"] == "Google"


@pytest.mark.parametrize(
    ("path", "media", "body"),
    [
        (f"{ROOT}/", "application/text", "instance/\nproject/\nuniverse/\n"),
        (f"{ROOT}/?alt=json", "application/json", '["instance/","project/","universe/"]'),
        (f"{ROOT}/project/project-id", "application/text", PROJECT_ID),
        (f"{ROOT}/project/project-id?alt=json", "application/json", f'"{PROJECT_ID}"'),
        (f"{ROOT}/project/numeric-project-id", "application/text", PROJECT),
        (f"{ROOT}/project/numeric-project-id?alt=json", "application/json", PROJECT),
        (f"{ROOT}/universe/universe-domain", "application/text", "googleapis.com"),
        (f"{ROOT}/instance/id", "application/text", "42"),
        (f"{ROOT}/instance/name", "application/text", "vm"),
        (f"{ROOT}/instance/zone", "application/text", f"projects/{PROJECT}/zones/europe-west3-a"),
        ("/computeMetadata/", "application/text", "v1/\n"),
        (f"{ROOT}/instance/service-accounts/", "application/text", f"{APP}/\ndefault/\n"),
        (f"{DEFAULT}/", "application/text", "aliases\nemail\nidentity\nscopes\ntoken\n"),
        (f"{DEFAULT}/email", "application/text", APP),
        (f"{ROOT}/instance/service-accounts/{APP}/email", "application/text", APP),
        (f"{ROOT}/instance/service-accounts/{APP.replace('@', '%40')}/email", "application/text", APP),
        (f"{DEFAULT}/aliases", "application/text", "default\n"),
        (f"{DEFAULT}/scopes", "application/text", "https://www.googleapis.com/auth/cloud-platform\n"),
        (
            f"{DEFAULT}/?recursive=true&alt=text",
            "application/text",
            f"aliases default\nemail {APP}\nscopes https://www.googleapis.com/auth/cloud-platform\n",
        ),
    ],
)
def test_the_tree(still: Serving, path: str, media: str, body: str) -> None:
    got = still.get(path)
    assert (got.status, got.headers["content-type"], got.text) == (200, media, body)


@pytest.mark.parametrize(
    "path",
    [
        f"{ROOT}/?recursive=perhaps",
        f"{ROOT}/?alt=xml",
        f"{ROOT}/?recursive=true&wait_for_change=true",
        f"{ROOT}/?recursive=true&recursive=true",
        f"{ROOT}/?a=%ff",
        f"{ROOT}/?{'&'.join(f'p{n}=1' for n in range(20))}",
        f"{DEFAULT}/token?scopes=%22",
        f"{DEFAULT}/token?scopes=%0d%0aX:y",
        f"{DEFAULT}/token?scopes={','.join(str(n) for n in range(40))}",
        f"{DEFAULT}/identity",
        f"{DEFAULT}/identity?audience=%00",
    ],
)
def test_a_query_that_means_nothing_is_told(google_process: Google, still: Serving, path: str) -> None:
    google_process.forget()
    got = still.get(path)
    assert (got.status, bool(got.text)) == (400, True)
    assert google_process.journal() == []


def test_everything_at_once_is_in_camel_case_and_has_no_token(still: Serving) -> None:
    everything = still.get(f"{ROOT}/?recursive=true").json
    assert everything["project"] == {
        "attributes": {},
        "numericProjectId": int(PROJECT),
        "projectId": PROJECT_ID,
    }
    account = everything["instance"]["serviceAccounts"]["default"]
    assert account.keys() == {"aliases", "email", "scopes"}
    assert everything["universe"] == {"universeDomain": "googleapis.com"}


@pytest.mark.parametrize("path", [ROOT, f"{ROOT}/instance", f"{ROOT}/instance/service-accounts", DEFAULT])
def test_a_folder_without_its_slash_is_redirected_to_wherever_it_is_asked_for(
    still: Serving, path: str
) -> None:
    got = still.get(path)
    assert (got.status, got.headers["location"]) == (301, f"{path}/")


@pytest.mark.parametrize(
    "path",
    [
        f"{ROOT}/nothing",
        f"{ROOT}/instance/hostname",
        f"{ROOT}/project/project-id/",
        f"{ROOT}/instance/service-accounts/other@{PROJECT_ID}.iam.gserviceaccount.com/token",
        f"{ROOT}/instance/service-accounts/other@{PROJECT_ID}.iam.gserviceaccount.com/",
        f"{ROOT}/instance/service-accounts/../service-accounts/default/token",
        f"{ROOT}/instance/service-accounts/{APP}:generateAccessToken?x=/token",
        f"{ROOT}/instance/service-accounts/default%2Ftoken",
        f"{ROOT}/instance//service-accounts/default/token",
        "//evil.example/computeMetadata/v1/project/project-id",
        "/computeMetadata/v1beta1/project/project-id",
        "/latest/meta-data/iam/security-credentials/",
        "/metadata",
    ],
)
def test_what_is_not_there_is_404_and_nothing_is_asked_of_google(
    google_process: Google, still: Serving, path: str
) -> None:
    google_process.forget()
    assert still.get(path).status == 404
    assert google_process.journal() == []


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 403),
        ({"Metadata-Flavor": "google"}, 403),
        ({"Metadata-Flavor": "Google, Google"}, 403),
        ({**FLAVOR, "X-Forwarded-For": "192.0.2.1"}, 403),
        ({**FLAVOR, "x-forwarded-for": ""}, 403),
        ({**FLAVOR, "Forwarded": "for=192.0.2.1"}, 403),
        ({**FLAVOR, "Host": "evil.example"}, 421),
        ({**FLAVOR, "Host": "metadata.google.internal.evil.example"}, 421),
        ({**FLAVOR, "Host": "127.0.0.1.evil.example"}, 421),
        ({**FLAVOR, "Host": "127.0.0.1:1"}, 421),
        ({**FLAVOR, "Host": "user@metadata.google.internal"}, 421),
        ({**FLAVOR, "Host": ""}, 421),
    ],
)
def test_who_could_be_somebody_s_tool_is_refused(
    google_process: Google, still: Serving, headers: dict[str, str], expected: int
) -> None:
    google_process.forget()
    got = still.get(f"{DEFAULT}/token", headers)
    assert got.status == expected
    assert got.headers["metadata-flavor"] == "Google"
    assert google_process.journal() == []


@pytest.mark.parametrize(
    "host",
    [
        "metadata.google.internal",
        "metadata.google.internal.",
        "Metadata",
        "169.254.169.254:80",
        "[::1]",
        "localhost",
    ],
)
def test_the_names_of_a_metadata_server_are_taken(still: Serving, host: str) -> None:
    assert still.get(f"{ROOT}/project/project-id", {**FLAVOR, "Host": host}).status == 200


def test_even_the_ping_is_refused_under_a_stranger_s_name(still: Serving) -> None:
    assert still.get("/", {"Host": "evil.example"}).status == 421
    assert still.get("/", {"X-Forwarded-For": "192.0.2.1"}).status == 403


def test_a_token_is_exchanged_once_for_all_and_given_by_get_and_post(world: World, server: Serving) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: server.get(f"{DEFAULT}/token"), range(60)))
    posted = ask(
        server.address, f"{DEFAULT}/token", {**FLAVOR, "Content-Type": "application/json"}, "POST", b"{}"
    )
    tokens = {got.json["access_token"] for got in [*answers, posted]}
    assert len(tokens) == 1
    assert posted.json["token_type"] == "Bearer"
    assert 3000 < posted.json["expires_in"] <= 3600
    assert world.google.count("POST .*/v1/token") == 1
    assert world.google.who_am_i(tokens.pop())["principal"].endswith(APP)
    assert ask(server.address, f"{DEFAULT}/email", FLAVOR, "POST", b"{}").status == 405
    assert ask(server.address, f"{DEFAULT}/token", FLAVOR, "DELETE").status == 405


def test_scopes_in_another_order_are_the_same_token(world: World, server: Serving) -> None:
    one, other = (
        "https://www.googleapis.com/auth/devstorage.read_only",
        "https://www.googleapis.com/auth/pubsub",
    )
    first = server.get(f"{DEFAULT}/token?scopes={one},{other}").json["access_token"]
    assert server.get(f"{DEFAULT}/token?scopes={other},{one},{one}").json["access_token"] == first
    assert server.get(f"{DEFAULT}/token").json["access_token"] != first
    assert sorted(world.google.who_am_i(first)["scopes"]) == sorted([one, other])
    assert world.google.count("generateAccessToken") == 2


def test_an_id_token_is_for_its_audience(world: World, server: Serving) -> None:
    from jwt import decode  # noqa: PLC0415 (an oracle of this test alone)

    tokens = {
        form: server.get(
            f"{DEFAULT}/identity?audience=https://service.example&format={form}&licenses=TRUE"
        ).text
        for form in ("full", "standard")
    }
    claims = {form: decode(token, options={"verify_signature": False}) for form, token in tokens.items()}
    assert {one["aud"] for one in claims.values()} == {"https://service.example"}
    assert claims["full"]["email"] == APP
    assert "email" not in claims["standard"]
    server.get(f"{DEFAULT}/identity?audience=https://service.example&format=full")
    assert world.google.count("generateIdToken") == 2
    for query in ("", "?audience=", "?audience=a&format=long", "?audience=a&audience=b"):
        assert server.get(f"{DEFAULT}/identity{query}").status == 400


def test_a_federated_identity_has_access_tokens_only(world: World) -> None:
    with world.one() as server:
        assert server.get(f"{ROOT}/instance/service-accounts/").text == "default/\n"
        assert server.get(f"{DEFAULT}/").text == "aliases\nemail\nscopes\ntoken\n"
        token = server.get(f"{DEFAULT}/token").json["access_token"]
        got = server.get(f"{DEFAULT}/identity?audience=a")
    assert world.google.who_am_i(token)["principal"] == world.member(world.peer.spiffe_id)
    assert got.status == 404
    assert "set a service account" in got.text
