"""Publish the keys alone, into a provider of Google's Workload Identity Federation.

The provider takes what would be the JWKS document as `oidc.jwksJson`, and STS then verifies by it without any
public endpoint. It has no place for a configuration document, and needs none: its own issuer plays that part.
It has no place for a manifest and no preconditions either: a file of this machine holds the manifest, and one
publisher per provider is all there may be.
"""

from collections.abc import Callable
from typing import TypeVar

from publisher import strict_json
from publisher.errors import SinkConflictError, SinkError, SinkSettingsError, SinkUnavailableError
from publisher.findings import Finding, Severity
from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH
from publisher.ports import Deadline, Memory
from publisher.publication.document_set import Document, StoredObject, sha256
from publisher.quoting import quote
from publisher.sinks.gcs_client import FailedError, attempt
from publisher.sinks.gcs_federation import locked_out
from publisher.sinks.wif_provider_client import Answer, ProviderClient, refuse_failed

_Result = TypeVar("_Result")

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 2.0
_KINDS = ("aws", "x509", "saml")


class WifProviderSink:
    """Keep the JWKS in a provider, and the manifest in a file; `name` is `projects/NUMBER/.../providers/ID`.

    `client` comes from `open_provider_client` and may be shared; `issuer` must be the provider's own.
    `manifest` keeps the manifest. A generation is a digest of the content. Permissions:
    `iam.workloadIdentityPoolProviders.get` and `update`.
    """

    def __init__(self, *, client: ProviderClient, name: str, issuer: str, manifest: Memory) -> None:
        self._client, self._name, self._issuer, self._manifest = client, name, issuer, manifest
        self._findings: tuple[Finding, ...] = ()

    @property
    def location(self) -> str:
        """Name the provider as `wif-provider:projects/...`."""
        return f"wif-provider:{self._name}"

    @property
    def public_urls(self) -> tuple[str, ...]:
        """Give none: nobody but Google reads what is uploaded."""
        return ()

    def read(self, path: str, deadline: Deadline) -> StoredObject | None:
        """Read the keys from the provider or the manifest from its file; there is no configuration document.

        The keys are given in our canonical form, in whatever form Google keeps them.

        Raises:
            SinkSettingsError: no such provider, deleted, disabled, of another kind or issuer; not permitted.
            SinkUnavailableError: no whole answer before the deadline.
            SettingsError: the file of the manifest cannot be read.

        """
        if path == CONFIGURATION_PATH:
            return None
        if path == MANIFEST_PATH:
            return _stored(path, self._manifest.recall())
        return self._attempt(lambda timeout: _stored(path, self._uploaded(timeout)), deadline)

    def write(self, document: Document, replaces: StoredObject | None, deadline: Deadline) -> StoredObject:
        """Upload the keys, or keep the manifest, if what it `replaces` is still there.

        Google knows no precondition: the provider is looked at right before each attempt, so that another
        publisher's keys are overwritten only if they come within the same moment. Returns when the provider
        shows the keys.

        Raises:
            SinkConflictError: something else is there, before the upload or after it.
            SinkUnavailableError: not shown before the deadline; the write may have happened.
            SinkSettingsError: as `read`; keys that Google does not take; no place for this document.

        """
        if document.path == CONFIGURATION_PATH:
            raise SinkSettingsError(
                self._where, "has no place for a configuration document", "upload keys only"
            )
        if document.path == MANIFEST_PATH:
            return self._keep(document, replaces)
        before = replaces.body if replaces else None
        operation = self._attempt(lambda timeout: self._upload(document, before, timeout), deadline)
        if operation is not None:
            self._wait_for(operation, deadline)
        self._wait_until_shown(document, before, deadline)
        if replaces is None:
            self._findings = (_first_upload(self._where),)
        written = _stored(document.path, document.body)
        assert written is not None
        return written

    def rehearse(self, deadline: Deadline) -> None:
        """Say what keeps the manifest from being kept; whether Google would take the keys only a write shows.

        Raises:
            SinkError: as whoever keeps the manifest.

        """
        self._manifest.rehearse(deadline)

    def findings(self) -> tuple[Finding, ...]:
        """Report a first upload (WIF002), and credentials that hang on these very keys (GCS001)."""
        finding = locked_out(self._client.credentials, self._issuer)
        return self._findings if finding is None else (*self._findings, finding)

    @property
    def _where(self) -> str:
        return f"provider {quote(self._name, 200)}"

    def _keep(self, document: Document, replaces: StoredObject | None) -> StoredObject:
        there = _stored(document.path, self._manifest.recall())
        if (there and there.generation) != (replaces and replaces.generation):
            raise SinkConflictError(
                self._manifest.location, "was written meanwhile", "run one publisher per provider"
            )
        self._manifest.remember(document.body)
        written = _stored(document.path, document.body)
        assert written is not None
        return written

    def _upload(self, document: Document, before: bytes | None, timeout: tuple[float, float]) -> str | None:
        there = self._uploaded(timeout)
        if there == document.body:
            return None  # an upload whose answer was lost
        if there != before:
            raise self._conflict()
        return self._client.upload(self._name, document.body.decode(), timeout)

    def _wait_for(self, operation: str, deadline: Deadline) -> None:
        pause = _FIRST_PAUSE
        while True:
            answer = self._attempt(lambda timeout: self._client.fetch(operation, timeout), deadline)
            refuse_failed(answer, self._where)
            if answer.get("done") is True:
                return
            pause = self._pause(pause, deadline)

    def _wait_until_shown(self, document: Document, before: bytes | None, deadline: Deadline) -> None:
        pause = _FIRST_PAUSE
        while (there := self._attempt(self._uploaded, deadline)) != document.body:
            if there != before:
                raise self._conflict()
            pause = self._pause(pause, deadline)

    def _pause(self, seconds: float, deadline: Deadline) -> float:
        if seconds >= deadline.remaining():
            raise SinkUnavailableError(
                self._where,
                "does not show the uploaded keys yet",
                "run again: a repeated run finds out what was written; raise --timeout if it lasts",
            )
        deadline.clock.sleep(seconds)
        return min(seconds * 2, _LONGEST_PAUSE)

    def _conflict(self) -> SinkConflictError:
        return SinkConflictError(
            self._where, "has other keys than a moment ago", "run one publisher per provider"
        )

    def _attempt(self, call: Callable[[tuple[float, float]], _Result], deadline: Deadline) -> _Result:
        try:
            return attempt(self._client, call, deadline)
        except FailedError as failed:
            raise self._error(failed) from failed

    def _error(self, failed: FailedError) -> SinkError:
        error = failed.failure.as_error(self._where)
        if isinstance(error, SinkUnavailableError):
            remedy = failed.failure.remedy or (
                "run again; if it lasts, look at the network between here and iam.googleapis.com"
            )
            return SinkUnavailableError(self._where, error.what, remedy)
        return error

    def _uploaded(self, timeout: tuple[float, float]) -> bytes | None:
        """Give the keys of a provider that may have ours."""
        provider = self._client.fetch(self._name, timeout)
        name = provider.get("name")
        if not isinstance(name, str) or not name.endswith(f"/providers/{self._name.rpartition('/')[2]}"):
            raise ValueError("it is no provider: a proxy or a login page may have answered")
        oidc = self._oidc(provider)
        if oidc.get("issuerUri") != self._issuer:
            raise SinkSettingsError(
                self._where,
                f"has the issuer {quote(oidc.get('issuerUri'))}, not {quote(self._issuer)}",
                "correct --issuer or --sink; they are compared byte for byte, a final slash included",
            )
        keys = oidc.get("jwksJson")
        if keys is not None and not isinstance(keys, str):
            raise ValueError("its jwksJson is no string")
        return _canonical(keys) if keys else None

    def _oidc(self, provider: Answer) -> Answer:
        tool = "gcloud iam workload-identity-pools providers"
        if provider.get("state") == "DELETED":
            raise SinkSettingsError(self._where, "is deleted", f"{tool} undelete, or create another one")
        if provider.get("disabled") is True:
            raise SinkSettingsError(self._where, "is disabled", f"{tool} update-oidc --no-disabled")
        kinds = [kind for kind in _KINDS if kind in provider]
        if kinds:
            raise SinkSettingsError(
                self._where, f"is of kind {kinds[0]} and takes no keys", "name a provider of kind OIDC"
            )
        oidc = provider.get("oidc")
        if not isinstance(oidc, dict):
            raise ValueError("it has no member oidc")  # noqa: TRY004 (an answer, no argument)
        return oidc


def _canonical(keys: str) -> bytes:
    """Give the form in which we compare, keys by `kid`: an order of Google's own is no difference.

    What is no sound JSON stays as it is, for the rules to refuse.
    """
    raw = keys.encode(errors="backslashreplace")
    try:
        found = strict_json.loads(raw, where="jwksJson")
    except strict_json.MalformedError:
        return raw
    if isinstance(found, dict) and isinstance(found.get("keys"), list):
        found = {**found, "keys": sorted(found["keys"], key=_kid)}
    return strict_json.dumps(found)


def _kid(key: object) -> str:
    kid = key.get("kid") if isinstance(key, dict) else None
    return kid if isinstance(kid, str) else ""


def _stored(path: str, body: bytes | None) -> StoredObject | None:
    return None if body is None else StoredObject(path=path, body=body, generation=sha256(body), headers=None)


def _first_upload(where: str) -> Finding:
    return Finding(
        code="WIF002",
        severity=Severity.INFO,
        where=where,
        what="had no uploaded keys: until now STS read the issuer's public documents, from now on these keys",
        remedy="nothing to do, but keep a publisher at it: no key that is not uploaded is accepted any more",
    )
