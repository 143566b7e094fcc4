"""What `gcp setup` prints: a script, Terraform, or JSON, each with the IAM members beside it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from publisher.cli.json_output import SCHEMA_VERSION, finding_members
from publisher.errors import ExitStatus
from publisher.findings import Finding
from publisher.gcp import gcloud_commands, terraform
from publisher.gcp.mapping import TRUST_DOMAIN_ATTRIBUTE
from publisher.gcp.setup_apply import Comparison
from publisher.gcp.setup_plan import Difference, Wanted
from publisher.settings.gcp_setup import SetupTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Hold what was found, and how the trust store's file differed before it was written."""

    findings: tuple[Finding, ...]
    kept: Difference | None


def script_text(target: SetupTarget, wanted: Wanted, report: Report) -> str:
    """Give the script for a POSIX shell."""
    path = None if target.trust_store is None else str(target.trust_store)
    return (
        "#!/bin/sh\n" + _comments(target, wanted, report) + gcloud_commands.script(wanted, trust_store=path)
    )


def terraform_text(target: SetupTarget, wanted: Wanted, report: Report) -> str:
    """Give the Terraform configuration."""
    return _comments(target, wanted, report) + "\n" + terraform.configuration(wanted)


def json_document(
    target: SetupTarget,
    wanted: Wanted,
    report: Report,
    status: ExitStatus,
    *,
    comparison: Comparison | None = None,
) -> str:
    """Give the JSON output: what is wanted, as the IAM API has it, and what differed; null: not asked.

    Where only the trust store is wanted, neither pool nor members are, and of the provider only that.
    """
    if comparison is not None:
        wanted = comparison.wanted
    provider = wanted.provider
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "command": "gcp setup",
        "exit_status": int(status),
        "pool": None if target.trust_store_only else {"name": provider.pool, "body": wanted.pool_body},
        "provider": {"name": provider.name, "audience": audience(wanted), "body": wanted.provider_body},
        "service_account": wanted.service_account,
        "members": [{"grant": grant, "member": member} for grant, member in _members(target, wanted)],
        "trust_store_file": None if report.kept is None else list(report.kept.lines),
        "comparison": None if comparison is None else _compared(comparison),
        "applied": target.apply and status is ExitStatus.DONE,
        "findings": finding_members(report.findings),
    }
    return json.dumps(document, indent=2) + "\n"


def audience(wanted: Wanted) -> str:
    """Give the audience that workloads ask for: the first allowed one, or the provider's name."""
    allowed: tuple[str, ...] = getattr(wanted.trust, "allowed_audiences", ())
    return allowed[0] if allowed else wanted.provider.audience


def _compared(comparison: Comparison) -> dict[str, Any]:
    return {
        "equal": comparison.equal,
        "lacks_pool": comparison.lacks_pool,
        "lacks_provider": comparison.lacks_provider,
        "differences": [{"field": one.field, "lines": list(one.lines)} for one in comparison.differences],
        "lacking_members": list(comparison.lacking_members),
        "overrides": list(comparison.overrides),
        "lines": comparison.lines(),
    }


def _members(target: SetupTarget, wanted: Wanted) -> Iterator[tuple[str, str]]:
    """Give each grantee and its IAM member; the whole trust domain is always among them."""
    if target.trust_store_only:
        return
    domain = str(target.trust_domain)
    yield (
        f"attribute.{TRUST_DOMAIN_ATTRIBUTE}={domain}",
        wanted.provider.principal_set(TRUST_DOMAIN_ATTRIBUTE, domain),
    )
    yield from target.members


def _comments(target: SetupTarget, wanted: Wanted, report: Report) -> str:
    """Say what a reader of the script or configuration must know; every line is a comment."""
    lines = [
        f"Workloads below {target.mapping.prefix.text} through {wanted.provider.name}",
        f"Audience: {audience(wanted)}",
        "google.subject: " + _subject(target),
        "IAM members, for any role on any resource:",
        *(f"  {grant}: {member}" for grant, member in _members(target, wanted)),
    ]
    lines += [f"{one.severity}: {one.what}; {one.remedy}" for one in report.findings]
    if report.kept is not None:
        lines += [f"{target.trust_store}:", *(f"  {line}" for line in report.kept.lines)]
    # A line break in a path would end the comment.
    return "".join(f"# {ascii(line)[1:-1] if not line.isprintable() else line}\n" for line in lines)


def _subject(target: SetupTarget) -> str:
    if target.mapping.cut:
        return f"what follows {target.mapping.prefix.text} in the SPIFFE ID, at most 127 bytes"
    return "the whole SPIFFE ID, at most 127 bytes"
