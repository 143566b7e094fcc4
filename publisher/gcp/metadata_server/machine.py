"""What this machine says of itself, and of who asks."""

from dataclasses import dataclass
from typing import Final

from publisher.gcp.metadata_server.principal import Account, Principal
from publisher.gcp.metadata_server.tree import Leaf, Node

DEFAULT: Final = "default"
"""What the first account of whoever asks is called, and its e-mail address where it is no service account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Hold what is the same for all who ask. None: there is no such entry, and 404 is answered."""

    project_id: str | None
    project_number: str
    scopes: tuple[str, ...]
    universe_domain: str = "googleapis.com"
    instance_id: str | None = None
    name: str | None = None
    zone: str | None = None


def tree_of(machine: Machine, principal: Principal | None) -> Node:
    """Make everything that `principal` may see; None: nothing of accounts is asked for."""
    project: dict[str, Node | Leaf | None] = {
        "attributes": {},
        "numeric-project-id": int(machine.project_number),
    }
    if machine.project_id is not None:
        project["project-id"] = machine.project_id
    instance: dict[str, Node | Leaf | None] = {
        "attributes": {},
        "service-accounts": _accounts(machine, principal),
    }
    if machine.instance_id is not None:
        instance["id"] = int(machine.instance_id) if machine.instance_id.isdecimal() else machine.instance_id
    if machine.name is not None:
        instance["name"] = machine.name
    if machine.zone is not None:
        instance["zone"] = f"projects/{machine.project_number}/zones/{machine.zone}"
    return {
        "instance": instance,
        "project": project,
        "universe": {"universe-domain": machine.universe_domain},
    }


def accounts_by_name(principal: Principal) -> dict[str, Account]:
    """Name the accounts as paths do: `default` for the first, then by e-mail address."""
    named = {account.email: account for account in reversed(principal.accounts) if account.email}
    return {DEFAULT: principal.accounts[0], **named}


def _accounts(machine: Machine, principal: Principal | None) -> Node:
    if principal is None:
        return {}
    return {name: _account(machine, principal, one) for name, one in accounts_by_name(principal).items()}


def _account(machine: Machine, principal: Principal, account: Account) -> Node:
    first = principal.accounts[0]
    members: dict[str, Node | Leaf | None] = {
        "aliases": (DEFAULT,) if account.email == first.email else (),
        # Google's libraries ask again for what they read here, so it must be a name of ours.
        "email": account.email or DEFAULT,
        "scopes": machine.scopes,
        "token": None,
    }
    if account.email is not None:  # only a service account can have id tokens
        members["identity"] = None
    return members
