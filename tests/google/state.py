"""Everything that the stand-in remembers: projects, pools, providers, accounts, bindings, tokens, objects."""

import copy
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.google.clock import OffsetClock
from tests.google.errors import ApiError
from tests.google.settings import Settings

SCOPES = {"https://www.googleapis.com/auth/iam", "https://www.googleapis.com/auth/cloud-platform"}
ROLES = {
    "roles/iam.workloadIdentityUser": {
        "iam.serviceAccounts.getAccessToken",
        "iam.serviceAccounts.getOpenIdToken",
    },
    "roles/iam.serviceAccountTokenCreator": {
        "iam.serviceAccounts.getAccessToken",
        "iam.serviceAccounts.getOpenIdToken",
        "iam.serviceAccounts.implicitDelegation",
    },
    "roles/iam.serviceAccountOpenIdTokenCreator": {"iam.serviceAccounts.getOpenIdToken"},
    "roles/iam.serviceAccountAdmin": {
        "iam.serviceAccounts.get",
        "iam.serviceAccounts.create",
        "iam.serviceAccounts.getIamPolicy",
        "iam.serviceAccounts.setIamPolicy",
    },
    "roles/iam.workloadIdentityPoolViewer": {
        f"iam.{kind}.{verb}"
        for kind in ("workloadIdentityPools", "workloadIdentityPoolProviders")
        for verb in ("get", "list")
    },
    "roles/iam.workloadIdentityPoolAdmin": {
        f"iam.{kind}.{verb}"
        for kind in ("workloadIdentityPools", "workloadIdentityPoolProviders")
        for verb in ("get", "list", "create", "update", "delete", "undelete")
    },
    "roles/storage.objectViewer": {"storage.objects.get", "storage.objects.list"},
    "roles/storage.legacyObjectReader": {"storage.objects.get"},
    "roles/browser": {"resourcemanager.projects.get"},
}
"""The permissions of each role (documented), as far as something here asks for them."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """Hold an access token's bearer: the principal, the sets that it is a member of, the scopes."""

    principal: str
    members: frozenset[str]
    scopes: tuple[str, ...]
    expires_at: float


@dataclass(kw_only=True)
class Resource:
    """Hold a pool or provider as the API shows it, and as STS sees it until a change has spread."""

    shown: dict[str, Any]
    before: dict[str, Any] | None = None
    changed_at: float = 0.0

    def seen_by_sts(self, now: float, propagation: float) -> dict[str, Any] | None:
        return self.before if now < self.changed_at + propagation else self.shown


@dataclass(kw_only=True)
class State:
    """Hold it all. Whoever reads or writes holds `lock`."""

    clock: OffsetClock
    settings: Settings = field(default_factory=Settings)
    lock: threading.RLock = field(default_factory=threading.RLock)
    projects: dict[str, str] = field(default_factory=dict)
    """Project ids by number."""
    resources: dict[str, Resource] = field(default_factory=dict)
    """Pools and providers by name."""
    accounts: dict[str, str] = field(default_factory=dict)
    """Unique ids by e-mail."""
    bindings: set[tuple[str, str, str]] = field(default_factory=set)
    """Resource, role, member."""
    policies: dict[str, int] = field(default_factory=dict)
    """How often each resource's bindings were changed: the etag."""
    tokens: dict[str, Token] = field(default_factory=dict)
    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)
    """How the next operations end."""
    conditional: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Bindings with a condition, by resource: kept and shown, and they permit nothing here."""
    origins: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Where an origin really is: host:port and CA file."""

    def forget(self) -> None:
        """Start anew; the lock stays."""
        self.clock.reset()
        self.settings = Settings()
        kept: tuple[Any, ...] = (self.projects, self.resources, self.accounts, self.policies, self.tokens)
        also: tuple[Any, ...] = (self.objects, self.operations, self.origins, self.bindings)
        for held in (*kept, *also, self.failures, self.conditional):
            held.clear()

    def configure(self, **switches: Any) -> None:
        if "blocked_issuers" in switches:
            switches["blocked_issuers"] = tuple(switches["blocked_issuers"])
        self.settings = replace(self.settings, **switches)

    def project_number(self, given: str) -> str:
        """Give the number for a number or an id.

        Raises ApiError: 403, as for everything that one may not know about.
        """
        if given in self.projects:
            return given
        found = [number for number, project_id in self.projects.items() if project_id == given]
        if not found:
            raise ApiError(403, f"Permission denied on resource project {given}.")
        return found[0]

    def store(self, name: str, shown: dict[str, Any]) -> None:
        """Put a pool or provider in its place."""
        now = self.clock.now()
        held = self.resources.get(name)
        before = held and copy.deepcopy(held.seen_by_sts(now, self.settings.propagation))
        self.resources[name] = Resource(shown=shown, before=before or None, changed_at=now)

    def issue(
        self, principal: str, members: Iterable[str], scopes: Iterable[str], lifetime: float, prefix: str
    ) -> str:
        """Make an access token. It is opaque, as Google's are, and begins as they do."""
        token = f"{prefix}.{secrets.token_urlsafe(60)}"
        self.tokens[token] = Token(
            principal=principal,
            members=frozenset(members) | {principal},
            scopes=tuple(scopes),
            expires_at=self.clock.now() + lifetime,
        )
        return token

    def allows(self, token: Token | None, permission: str, resource: str) -> bool:
        """Tell whether a binding on that resource gives the permission to one of the caller's names."""
        members = (token.members if token else frozenset()) | {"allUsers"}
        if token:
            members |= {"allAuthenticatedUsers"}
        return any(
            bound == resource and member in members and permission in ROLES.get(role, ())
            for bound, role, member in self.bindings
        )


def check_scopes(caller: Token | None) -> None:
    """Hold a caller to the scopes that every method of IAM needs (documented; the error's words are seen).

    Raises ApiError: 403.
    """
    if caller is not None and not SCOPES & set(caller.scopes):
        reason = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            "domain": "googleapis.com",
        }
        raise ApiError(403, "Request had insufficient authentication scopes.", details=[reason])
