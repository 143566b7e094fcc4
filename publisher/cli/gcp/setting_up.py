"""What `gcp setup` does: the wanted state, its text, the comparison, the change."""

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from publisher import logs
from publisher.cli.gcp.setup_report import Report, json_document, script_text, terraform_text
from publisher.cli.printing import colour, is_coloured, put
from publisher.errors import ExitStatus, PublisherError
from publisher.findings import Finding
from publisher.gcp.setup_apply import Comparison, apply, compare
from publisher.gcp.setup_plan import X509, Difference, Oidc, Wanted
from publisher.ports import Deadline
from publisher.settings.gcp import GcpReader
from publisher.settings.gcp_setup import SetupTarget
from publisher.wiring.clock import SystemClock
from publisher.wiring.gcp_setup import iam_api, x509_source

if TYPE_CHECKING:
    from publisher.gcp.certificate import Certificate
    from publisher.gcp.iam_api import IamApi

_LOG = logging.getLogger(__name__)


def work(reader: GcpReader) -> ExitStatus:
    """Print, compare or apply.

    Raises:
        PublisherError: as the help of the command says of its exit statuses.

    """
    target = SetupTarget.read(reader)
    deadline = Deadline(SystemClock(), target.timeout)
    wanted, findings = _wanted(target, deadline)
    for finding in findings:
        logs.log_finding(_LOG, finding, dry_run=False)
    report = Report(findings=findings, kept=_keep(target, wanted))
    if not (target.compare or target.apply):
        _print(target, wanted, report)
        return ExitStatus.DONE
    with iam_api(reader.environment, deadline) as api:
        return _apply(api, target, wanted, report) if target.apply else _compare(api, target, wanted, report)


def _compare(api: "IamApi", target: SetupTarget, wanted: Wanted, report: Report) -> ExitStatus:
    comparison = compare(api, wanted, now=SystemClock().now())
    status = ExitStatus.DONE if comparison.equal else ExitStatus.FOUND
    if target.form == "json":
        put(json_document(target, wanted, report, status, comparison=comparison))
    else:
        _show(comparison)
    return status


def _apply(api: "IamApi", target: SetupTarget, wanted: Wanted, report: Report) -> ExitStatus:
    """Show what is to be changed before it is; a run that then fails, or is refused, has said it, too."""
    seen: list[Comparison] = []
    as_json = target.form == "json"

    def show(comparison: Comparison) -> None:
        seen.append(comparison)
        if as_json:
            # Standard output has one document, and has it at the end.
            _log(comparison)
        else:
            _show(comparison)

    try:
        first = apply(api, wanted, accepted=target.accepted, now=SystemClock().now, show=show)
    except PublisherError as error:
        if as_json and seen:
            put(json_document(target, wanted, report, error.exit_status, comparison=seen[0]))
        raise
    if as_json:
        put(json_document(target, wanted, report, ExitStatus.DONE, comparison=first))
    elif not first.equal:
        put(f"done, and read back: {wanted.provider.name}\n")
    return ExitStatus.DONE


def _wanted(target: SetupTarget, deadline: Deadline) -> tuple[Wanted, tuple[Finding, ...]]:
    if target.issuer is not None:
        trust: Oidc | X509 = Oidc(issuer=target.issuer, allowed_audiences=target.allowed_audiences)
        found: tuple[Finding, ...] = ()
    else:
        trust, found = _trust(target, deadline)
    wanted = Wanted(
        provider=target.provider,
        trust=trust,
        mapping=target.mapping,
        service_account=target.service_account,
        members=tuple(member for _, member in target.members),
        trust_store_only=target.trust_store_only,
        keeps_intermediates=target.trust_store_only and target.intermediates is None,
    )
    return wanted, (*target.findings(), *found)


def _trust(target: SetupTarget, deadline: Deadline) -> tuple[X509, tuple[Finding, ...]]:
    # Imported here: a provider for JWT-SVIDs needs neither gRPC nor certificates.
    from publisher.gcp.trust_store import TrustStore, rotation_findings  # noqa: PLC0415

    assert target.source is not None
    source = x509_source(target.source, target.trust_domain, target.ca_file)
    store, expired = TrustStore.mirror(
        source.fetch(deadline),
        _intermediates(target.intermediates, deadline),
        trust_domain=target.trust_domain,
        now=deadline.clock.now(),
        where=source.where,
    )
    rotation = rotation_findings(store, every=target.setup_every, where=source.where)
    return X509(trust_store=store), (*expired, *rotation)


def _intermediates(path: Path | None, deadline: Deadline) -> "tuple[Certificate, ...]":
    if path is None:
        return ()
    from publisher.gcp.x509_authorities import FileAuthorities  # noqa: PLC0415 (as above)

    return FileAuthorities(str(path)).fetch(deadline)


def _keep(target: SetupTarget, wanted: Wanted) -> Difference | None:
    """Write the trust store to its file, unless this run changes nothing, and say what is new in it."""
    if target.trust_store is None or isinstance(wanted.trust, Oidc):
        return None
    from publisher.gcp import trust_store_file  # noqa: PLC0415 (as above)

    difference = trust_store_file.difference(target.trust_store, wanted.trust.trust_store)
    if difference is not None and not target.compare:
        trust_store_file.write(target.trust_store, wanted.trust.trust_store)
    return difference


def _print(target: SetupTarget, wanted: Wanted, report: Report) -> None:
    match target.form:
        case "terraform":
            put(terraform_text(target, wanted, report))
        case "json":
            put(json_document(target, wanted, report, ExitStatus.DONE))
        case _:
            put(script_text(target, wanted, report))


def _log(comparison: Comparison) -> None:
    for line in [] if comparison.equal else comparison.lines():
        _LOG.info("to be changed at Google: %s", line)


def _show(comparison: Comparison) -> None:
    coloured = is_coloured(sys.stdout, os.environ)
    put("".join(f"{colour(line[0], line, coloured=coloured)}\n" for line in comparison.lines()))
