"""Compare what is at Google with what is wanted, and make it so: create, change, never delete."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from publisher.errors import ExitStatus, SettingsError
from publisher.gcp.certificate import Certificate
from publisher.gcp.iam_api import IamApi
from publisher.gcp.iam_errors import IamError
from publisher.gcp.setup_plan import (
    WORKLOAD_USER,
    X509,
    Difference,
    Wanted,
    lost_anchors,
    provider_differences,
    shares_no_anchor,
    store_body,
    update_body,
)

DISJOINT, LOST = "accept-disjoint-anchors", "accept-lost-anchors"
"""The overrides, each by the name of its option."""

_ROUNDS = 4
_POOL_KIND, _PROVIDER_KIND = "workloadIdentityPool", "workloadIdentityPoolProvider"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Say what is not at Google as it is wanted: what lacks, what differs, and who is no member yet.

    `wanted` is what was asked for, with what stays of that which is there. `locks_out`: all trust anchors
    would be replaced at once. `lost`: anchors that would go though they are newer than all that are wanted.
    """

    wanted: Wanted
    lacks_pool: bool
    lacks_provider: bool
    differences: tuple[Difference, ...] = ()
    lacking_members: tuple[str, ...] = ()
    locks_out: bool = False
    lost: tuple[Certificate, ...] = ()

    @property
    def equal(self) -> bool:
        """Tell whether nothing is to be done."""
        return not (self.lacks_pool or self.lacks_provider or self.differences or self.lacking_members)

    @property
    def overrides(self) -> tuple[str, ...]:
        """Name the overrides without which this is not applied."""
        return ((DISJOINT,) if self.locks_out else ()) + ((LOST,) if self.lost else ())

    def lines(self) -> list[str]:
        """Give it as a person reads it, each line with its mark (`+`, `-`, `=` or `!`) before it."""
        wanted, provider = self.wanted, self.wanted.provider
        if self.equal:
            return [f"= {provider.name} is as it is wanted"]
        lines = [f"+ pool {provider.pool}"] if self.lacks_pool else []
        if self.lacks_provider:
            lines.append(f"+ provider {provider.name}")
        for one in self.differences:
            lines += [f"! {one.field}", *one.lines]
        lines += [
            f"+ {WORKLOAD_USER} on {wanted.service_account}: {member}" for member in self.lacking_members
        ]
        return lines


def compare(api: IamApi, wanted: Wanted, *, now: datetime) -> Comparison:
    """Read what is there, and compare.

    Raises:
        IamError: refused, or no answer.
        SettingsError: a pool or provider that is deleted, disabled, or of another kind; one that is not
            there, where only its trust store is wanted.
        BundleError: the provider's trust store cannot be read.

    """
    provider = wanted.provider
    pool = api.read(provider.pool)
    _refuse_asleep("pool", provider.pool, pool, wanted)
    found = api.read(provider.name) if pool is not None else None
    _refuse_asleep("provider", provider.name, found, wanted)
    if found is not None and wanted.kind not in found:
        raise SettingsError(
            f"provider {provider.name}",
            f"is not of the kind {wanted.kind}, and a provider keeps its kind",
            "choose another name in --provider",
        )
    if found is None and wanted.trust_store_only:
        raise SettingsError(
            f"provider {provider.name}",
            "is not there, or not shown to this caller, and with --trust-store-only nothing is created",
            "correct --provider; or make it, once, by gcp setup --x509 --apply",
        )
    wanted = wanted.beside(found)
    lacking: tuple[str, ...] = ()
    if wanted.service_account is not None:
        there = _members(api.policy(_account(wanted)))
        lacking = tuple(member for member in wanted.members if member not in there)
    locks_out = False
    lost: tuple[Certificate, ...] = ()
    if isinstance(wanted.trust, X509) and found is not None:
        store, body, where = wanted.trust.trust_store, store_body(found), provider.name
        locks_out = shares_no_anchor(store, body, where=where)
        lost = lost_anchors(store, body, now=now, where=where)
    return Comparison(
        wanted=wanted,
        lacks_pool=pool is None,
        lacks_provider=found is None,
        differences=provider_differences(wanted, found) if found is not None else (),
        lacking_members=lacking,
        locks_out=locks_out,
        lost=lost,
    )


def apply(
    api: IamApi,
    wanted: Wanted,
    *,
    accepted: frozenset[str],
    now: Callable[[], datetime],
    show: Callable[[Comparison], None],
) -> Comparison:
    """Make it so, and compare again: it is done when nothing differs any more. Give the first comparison.

    `show` is called with the first comparison, and with every further one before it is acted upon. Whoever
    else changes the same meanwhile, and answers that were lost, only cost another round. `accepted` are
    overrides.

    Raises:
        IamError: refused, or not done within the deadline, or somebody else changes it all the time.
        SettingsError: as `compare`; or an override that the change needs is not accepted.
        BundleError: as `compare`.

    """
    first = comparison = compare(api, wanted, now=now())
    show(first)
    for turn in range(_ROUNDS):
        if comparison.equal:
            return first
        if turn:
            show(comparison)
        _refuse(comparison, accepted)
        _act(api, comparison)
        comparison = compare(api, wanted, now=now())
    if not comparison.equal:
        raise IamError(
            f"provider {wanted.provider.name}",
            f"is not as it was written, after {_ROUNDS} attempts",
            "look who else changes it, and run again",
            exit_status=ExitStatus.TEMPORARY,
        )
    return first


def _refuse(comparison: Comparison, accepted: frozenset[str]) -> None:
    if accepted.issuperset(comparison.overrides):
        return
    reasons = []
    if comparison.locks_out:
        reasons.append(
            "shares no trust anchor with the bundle: whoever has an older SVID would be locked out"
        )
    if comparison.lost:
        names = ", ".join(one.name for one in comparison.lost)
        reasons.append(
            f"would lose the anchor {names}, which began later than all that the bundle has: the source may "
            "have fallen behind (an agent whose server is gone goes on with its old bundle)"
        )
    flags = " ".join(f"--{name}" for name in comparison.overrides)
    raise SettingsError(
        f"provider {comparison.wanted.provider.name}",
        "; and ".join(reasons),
        f"look whether --source is the right SPIRE, and up to date; if it is: {flags}",
    )


def _act(api: IamApi, comparison: Comparison) -> None:
    wanted, provider = comparison.wanted, comparison.wanted.provider
    if comparison.lacks_pool:
        parent = provider.pool.removesuffix(f"/workloadIdentityPools/{provider.pool_id}")
        api.create(
            parent,
            "workloadIdentityPools",
            kind=_POOL_KIND,
            given=provider.pool_id,
            body=wanted.pool_body,
        )
    if comparison.lacks_provider:
        api.create(
            provider.pool,
            "providers",
            kind=_PROVIDER_KIND,
            given=provider.provider_id,
            body=wanted.provider_body,
        )
    elif comparison.differences:
        body, mask = update_body(wanted, comparison.differences)
        api.update(provider.name, body, mask)
    # Last: a member of a pool that is not there yet would be refused.
    if comparison.lacking_members:
        account = _account(wanted)
        api.set_policy(account, _with_members(api.policy(account), wanted.members))


def _with_members(policy: Mapping[str, Any], members: tuple[str, ...]) -> dict[str, Any]:
    """Add members to the unconditional binding of the role; everything else stays, its `etag` included."""
    changed = copy.deepcopy(dict(policy))
    bindings = changed.setdefault("bindings", [])
    for one in bindings:
        if one.get("role") == WORKLOAD_USER and not one.get("condition"):
            there = one.setdefault("members", [])
            there += [member for member in members if member not in there]
            return changed
    bindings.append({"role": WORKLOAD_USER, "members": list(members)})
    return changed


def _members(policy: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(
        member
        for one in policy.get("bindings") or []
        if one.get("role") == WORKLOAD_USER and not one.get("condition")
        for member in one.get("members") or []
    )


def _account(wanted: Wanted) -> str:
    return f"projects/-/serviceAccounts/{wanted.service_account}"


def _refuse_asleep(kind: str, name: str, found: Mapping[str, Any] | None, wanted: Wanted) -> None:
    if found is None:
        return
    if found.get("state") == "DELETED":
        raise SettingsError(
            f"{kind} {name}",
            "was deleted, and its name stays taken for 30 days",
            f"bring it back: {_command(kind, 'undelete', wanted)}; or choose another name in --provider",
        )
    if found.get("disabled"):
        verb = "update" if kind == "pool" else f"update-{wanted.kind}"
        raise SettingsError(
            f"{kind} {name}",
            "is disabled, and somebody has had a reason",
            f"enable it, if you may: {_command(kind, verb, wanted)} --no-disabled",
        )


def _command(kind: str, verb: str, wanted: Wanted) -> str:
    provider = wanted.provider
    place = f"--project={provider.project_number} --location=global"
    if kind == "pool":
        return f"gcloud iam workload-identity-pools {verb} {provider.pool_id} {place}"
    return (
        f"gcloud iam workload-identity-pools providers {verb} {provider.provider_id} "
        f"--workload-identity-pool={provider.pool_id} {place}"
    )
