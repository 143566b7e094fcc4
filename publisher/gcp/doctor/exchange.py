"""The stages at Google: the exchange at the token service, the impersonation, one call of an API."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote as percent

from publisher.gcp.doctor.client import Ask, GoogleAnswer, NoAnswerError
from publisher.gcp.doctor.stage import Seen, error, fine, unknown
from publisher.gcp.doctor.target import StorageObject, Target
from publisher.quoting import quote

CLOUD_PLATFORM: Final = "https://www.googleapis.com/auth/cloud-platform"
IAM: Final = "https://www.googleapis.com/auth/iam"
"""What a federated token needs that is only used to act as a service account."""

_TYPE = "urn:ietf:params:oauth:token-type:"
JWT: Final = f"{_TYPE}jwt"
MTLS: Final = f"{_TYPE}mtls"

_OK = 200
_LIFETIME = 3600
_LATER = "run again; if it lasts, look at https://status.cloud.google.com and at the network"
_PROXY = "look at what answers there: the proxy, or CLOUDSDK_API_ENDPOINT_OVERRIDES_*"
_SETUP = "spire-oidc-publisher gcp setup --compare shows what differs"
_WORDS: tuple[tuple[str, str, str], ...] = (
    # In Google's own words; as users report them, so that a change of wording makes a GCP018 at worst.
    (
        "does not match the expected ones",
        "GCP007",
        "make jwt_issuer in SPIRE's server.conf and the provider's issuer equal byte for byte",
    ),
    (
        "does not match the expected audience",
        "GCP012",
        "ask for an audience that the provider allows (--audience); with any, the default one is refused",
    ),
    ("is stale to sign-in", "GCP013", "set the clocks (NTP) of the SPIRE server and of this machine"),
    (
        "google.subject exceeds",
        "GCP014",
        "spire-oidc-publisher gcp setup --longest-spiffe-id N, or give the workload a shorter SPIFFE ID",
    ),
    ("value for google.subject", "GCP014", f"correct the attribute mapping; {_SETUP}"),
    ("attribute mapping of", "GCP014", f"correct the attribute mapping; {_SETUP}"),
    ("rejected by the attribute condition", "GCP015", f"correct the attribute condition; {_SETUP}"),
    (
        "target service indicated by the",
        "GCP006",
        "the provider or its pool is disabled, deleted, or not there: correct --provider, or enable it",
    ),
    ('Invalid value for "audience"', "GCP006", "correct --provider"),
    ("trust anchor", "GCP021", f"bring the trust store up to date: gcp setup --x509 --apply; {_SETUP}"),
)


CONNECTING: Final = "Error connecting to the given credential's issuer"
"""What the token service says of an unreachable issuer, an unknown key and malformed keys alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """Hold the federated token, or why there is none: `connecting` tells that the issuer's keys lack."""

    token: str = field(default="", repr=False)
    connecting: bool = False


def look_at_exchange(ask: Ask, target: Target, subject_token: str, kind: str) -> tuple[Seen, Exchanged]:
    """Exchange the SVID as Google's libraries do."""
    origin = target.endpoints.sts_mtls if kind == MTLS else target.endpoints.sts
    where = f"{origin}/v1/token"
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": target.provider.audience,
        "scope": IAM if target.service_account else CLOUD_PLATFORM,
        "requested_token_type": f"{_TYPE}access_token",
        "subject_token": subject_token,
        "subject_token_type": kind,
    }
    answer = _asked(ask, where, "POST", where, form=form)
    if isinstance(answer, Seen):
        return answer, Exchanged()
    token = answer.body.get("access_token")
    if answer.status == _OK and isinstance(token, str) and token:
        return fine(where, "gives a federated access token"), Exchanged(token=token)
    if answer.status == _OK:
        return error("GCP016", where, "answers 200 without a token", _PROXY), Exchanged()
    said = f"{answer.error} {answer.sentence}".strip()
    if CONNECTING.lower() in answer.words.lower():
        return error("GCP017", where, f"says {said}", ""), Exchanged(connecting=True)
    what = f"answers {answer.status}: {said}"
    for words, code, remedy in _WORDS:
        if words.lower() in answer.words.lower():
            return error(code, where, what, remedy), Exchanged()
    return error("GCP018", where, what, f"correct what the message names; {_SETUP}"), Exchanged()


def look_at_impersonation(ask: Ask, target: Target, token: str, subject: str | None) -> tuple[Seen, str]:
    """Get an access token of the service account, as Google's libraries do; empty: none."""
    account = target.service_account or ""
    url = f"{target.endpoints.iamcredentials}/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
    where = f"service account {quote(account)}"
    data = {"delegates": None, "scope": [CLOUD_PLATFORM], "lifetime": f"{target.lifetime or _LIFETIME}s"}
    answer = _asked(ask, where, "POST", url, data=data, token=token)
    if isinstance(answer, Seen):
        return answer, ""
    given = answer.body.get("accessToken")
    if answer.status == _OK and isinstance(given, str) and given:
        return fine(where, "gives an access token"), given
    if answer.status == _OK:
        return error("GCP016", where, "answers 200 without a token", _PROXY), ""
    what = f"answers {answer.status}: {answer.sentence}"
    if _is_disabled(answer):
        remedy = f"gcloud services enable iamcredentials.googleapis.com --project={_project(account)}"
        return error("GCP019", where, what, remedy), ""
    if "lifetime" in answer.words:
        remedy = (
            "write the configuration with --token-lifetime 1h at most, or let the policy "
            "constraints/iam.allowServiceAccountCredentialLifetimeExtension permit this account more"
        )
        return error("GCP019", where, what, remedy), ""
    member = _member(target, subject)
    remedy = (
        f"gcloud iam service-accounts add-iam-policy-binding {account} "
        f"--role=roles/iam.workloadIdentityUser --member='{member}'; a binding takes some minutes to spread"
        "; and see that the account exists and is enabled"
    )
    return error("GCP019", where, what, remedy), ""


def look_at_call(ask: Ask, target: Target, token: str, subject: str | None) -> Seen:
    """Make one harmless call: the metadata of an object, or of the provider's project."""
    if isinstance(target.call, StorageObject):
        bucket, name = (percent(part, safe="") for part in (target.call.bucket, target.call.name))
        where = f"gs://{target.call.bucket}/{target.call.name}"
        url = f"{target.endpoints.storage}/storage/v1/b/{bucket}/o/{name}?fields=name"
        role = "roles/storage.objectViewer on the bucket"
    else:
        where = f"project {target.provider.project_number}"
        url = f"{target.endpoints.cloudresourcemanager}/v1/projects/{target.provider.project_number}"
        role = "roles/browser on the project"
    answer = _asked(ask, where, "GET", url, token=token)
    if isinstance(answer, Seen):
        return answer
    if answer.status == _OK:
        return fine(where, "can be read")
    what = f"answers {answer.status}: {answer.sentence}"
    account = target.service_account
    member = f"serviceAccount:{account}" if account else _member(target, subject)
    remedy = f"give {member} {role}, and see that it exists"
    if _is_disabled(answer):
        remedy = "enable that API in the project: gcloud services enable"
    return error("GCP020", where, what, remedy)


def no_call() -> Seen:
    """Say that no API is called."""
    return unknown("an API of Google", "none is called", "give --call gs://BUCKET/OBJECT, or --call project")


def _asked(
    ask: Ask,
    where: str,
    method: str,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    data: object = None,
    token: str = "",
) -> GoogleAnswer | Seen:
    try:
        answer = ask(method, url, form=form, data=data, token=token)
    except NoAnswerError as failure:
        return error("GCP016", where, f"does not answer ({failure})", _LATER, passing=True)
    if answer.is_passing:
        what = f"answers {answer.status} just now" + (f": {answer.sentence}" if answer.words else "")
        return error("GCP016", where, what, _LATER, passing=True)
    return answer


def _member(target: Target, subject: str | None) -> str:
    return f"principal:{target.provider.audience.partition('/providers/')[0]}/subject/" + (
        subject or "SUBJECT"
    )


def _is_disabled(answer: GoogleAnswer) -> bool:
    return "SERVICE_DISABLED" in answer.details or "has not been used in project" in answer.words


def _project(account: str) -> str:
    return account.partition("@")[2].partition(".")[0] or "PROJECT"
