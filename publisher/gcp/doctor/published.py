"""The stages of the issuer's keys: what Google would read, seen from here, or what was uploaded to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from publisher.findings import Finding, Severity
from publisher.gcp.doctor.agent import Keys
from publisher.gcp.doctor.stage import Seen, error, fine, unknown
from publisher.gcp.doctor.token import JwtSeen
from publisher.oidc import jwks_rules
from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH, Issuer, IssuerError
from publisher.ports import Clock, Deadline, Web, WebAnswer
from publisher.publication import manifest_rules
from publisher.publication.manifest import Manifest
from publisher.quoting import quote
from publisher.use_cases.check import check

_SECONDS = 8.0
_OK = 200
_UNSEEN = frozenset({"WEB001", "WEB002", "WEB010"})
"""What keeps us from seeing a document, and may be otherwise from where Google looks."""

_FATAL = frozenset({"WEB003", "CFG001", "CFG002", "CFG010", "JWK001", "JWK002"})
"""What keeps everybody from the keys. What remains may be a note: nobody knows all that Google minds."""

_NOTED = ("WEB", "CFG", "JWK", "FRE")
_PUBLISH = "publish it: spire-oidc-publisher publish, or find out why watch or the plugin did not"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Hold the keys that Google has or would read. `keys` None: not seen from here, for `reason`.

    `since` says when a `kid` was first published, where the manifest does; `suspects` are notes of the
    documents. `issuer_url` None: the keys are uploaded.
    """

    issuer_url: str | None = None
    keys: jwks_rules.Keys | None = None
    reason: str = ""
    since: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))
    suspects: tuple[Finding, ...] = ()


class _Recorder:
    """Pass requests on, each within its own bound, and keep the answers."""

    def __init__(self, web: Web, aliases: Mapping[str, str]) -> None:
        self._web, self._aliases = web, aliases
        self.answers: dict[str, WebAnswer] = {}

    def get(self, url: str, deadline: Deadline) -> WebAnswer:
        """Implement `ports.Web`."""
        window = Deadline(deadline.clock, min(_SECONDS, deadline.remaining()))
        self.answers[url] = self._web.get(self._aliases.get(url, url), window)
        return self.answers[url]


def look_at_documents(
    web: Web, issuer_text: str, discovery_uri: str | None, *, clock: Clock, deadline: Deadline
) -> tuple[Seen, Published]:
    """Read configuration and JWKS as a relying party does, by the rules of `check`."""
    where = f"documents of {quote(issuer_text)}"
    try:
        issuer = Issuer.parse(issuer_text)
    except IssuerError as failure:
        return error("GCP008", failure.where, failure.what, failure.remedy), Published()
    configuration, manifest = issuer.document_url(CONFIGURATION_PATH), issuer.document_url(MANIFEST_PATH)
    recorder = _Recorder(web, {configuration: discovery_uri} if discovery_uri else {})
    found = check(recorder, issuer, clock=clock, require_manifest=False, deadline=deadline)
    documents = [one for one in found if one.where != manifest]
    notes = tuple(
        one
        for one in found
        if one.code.startswith(_NOTED)
        and one.severity is not Severity.INFO
        # Of the manifest, which no relying party reads, its age alone.
        and (one.where != manifest or one.code.startswith("FRE"))
    )
    passing = {url for url, answer in recorder.answers.items() if _is_passing(answer.status)}
    unseen = next(
        (one for one in documents if one.code in _UNSEEN or (one.code == "WEB003" and one.where in passing)),
        None,
    )
    if unseen is not None:
        reason = f"{unseen.where}: {unseen.what}"
        published = Published(issuer_url=issuer.url, reason=reason, suspects=notes)
        said = f"cannot be seen from here, so Google's answer to the exchange decides: {reason}"
        return unknown(where, said), published
    fatal = next((one for one in documents if one.code in _FATAL), None)
    keys = _keys_of(recorder, exclude={configuration, manifest})
    if fatal is None and keys is None:  # no jwks_uri at all
        fatal = next((one for one in documents if one.severity is Severity.ERROR), None)
    if fatal is not None or keys is None:
        what = f"{fatal.where}: {fatal.what}" if fatal else "there is no JWKS document"
        remedy = f"{fatal.remedy if fatal else _PUBLISH}; spire-oidc-publisher check {issuer.url} says more"
        return error("GCP008", where, what, remedy), Published()
    since = _since(recorder.answers.get(manifest))
    said = f"readable over https, {len(keys)} keys"
    published = Published(issuer_url=issuer.url, keys=keys, since=since, suspects=notes)
    return fine(where, said, notes=notes), published


def look_at_upload(uploaded: str) -> tuple[Seen, Published]:
    """Read the JWKS that the provider holds; nobody reads the issuer's URL then."""
    where = "oidc.jwksJson of the provider"
    keys = jwks_rules.read(uploaded.encode(), where=where)
    if isinstance(keys, Finding):
        return error("GCP008", where, keys.what, "upload the keys: --sink wif-provider:NAME"), Published()
    return fine(where, f"{len(keys)} keys are uploaded; no URL is read"), Published(keys=keys)


def look_at_key(  # noqa: PLR0911 (one for each way to be wrong)
    svid: JwtSeen, published: Published, bundle: Keys | None, now: datetime
) -> Seen:
    """Look whether the key that signed is there, is the bundle's, and has really signed."""
    kid = svid.kid or ""
    where = f"key {quote(kid, 40)}"
    if published.keys is None:
        return unknown(where, "the published keys cannot be seen from here")
    served = next((key for key in published.keys if key.kid == kid), None)
    upload = published.issuer_url is None
    publish = "upload it: spire-oidc-publisher publish --sink wif-provider:NAME" if upload else _PUBLISH
    if served is None:
        place = "uploaded" if upload else "published"
        what = f"is not among the {len(published.keys)} keys that are {place}"
        if bundle is not None:
            what += "; the agent's bundle has it" if kid in bundle else "; the agent's bundle lacks it, too"
        return error("GCP009", where, what, publish, notes=published.suspects)
    if served.key is None:
        return error("GCP010", where, f"is published malformed: {served.flaw}", publish)
    own = bundle.get(kid) if bundle is not None else None
    if own is not None and own.thumbprint != served.key.thumbprint:
        what = f"is published as {served.key.thumbprint}, and the agent's bundle has {own.thumbprint}"
        remedy = "find out who else publishes there, or whose SPIRE this is; then publish again"
        return error("GCP010", where, what, remedy)
    if served.alg != svid.alg:
        what = f"is published for {quote(served.alg, 40)}, and the JWT-SVID says {quote(svid.alg, 40)}"
        return error("GCP010", where, what, publish)
    if not svid.is_signed_by(served.key):
        remedy = "find out whose SPIRE this is; then publish again"
        return error("GCP010", where, "is published, and did not sign this JWT-SVID", remedy)
    return fine(where, f"is published{_age(published.since.get(kid), now)}, and signed the JWT-SVID")


def _is_passing(status: int) -> bool:
    """Tell whether another attempt, or one from where Google is, may well fare better."""
    return status >= 500 or status in {408, 425, 429}  # noqa: PLR2004


def _age(since: datetime | None, now: datetime) -> str:
    return "" if since is None else f" since {int((now - since).total_seconds())} s"


def _keys_of(recorder: _Recorder, exclude: set[str]) -> jwks_rules.Keys | None:
    for url, answer in recorder.answers.items():
        if url not in exclude and answer.status == _OK:
            keys = jwks_rules.read(answer.body, where=url)
            return None if isinstance(keys, Finding) else keys
    return None


def _since(answer: WebAnswer | None) -> Mapping[str, datetime]:
    if answer is None or answer.status != _OK:
        return {}
    manifest = manifest_rules.read(answer.body, where=answer.url)
    if not isinstance(manifest, Manifest):
        return {}
    return {key.kid: key.first_published_at for key in manifest.keys if key.first_published_at}
