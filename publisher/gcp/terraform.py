"""Write what is wanted at Google as Terraform (HCL 2), for the provider hashicorp/google."""

import re
from collections.abc import Iterator

from publisher.gcp.setup_plan import DESCRIPTION, WORKLOAD_USER, Oidc, Wanted

_PROJECT = re.compile(r"[^@]+@([a-z][a-z0-9-]{4,28}[a-z0-9])\.iam\.gserviceaccount\.com", re.ASCII)
_POOL = "google_iam_workload_identity_pool.spiffe"


def configuration(wanted: Wanted) -> str:
    """Give the whole configuration; `terraform fmt` would change nothing in it."""
    provider = wanted.provider
    blocks = [
        _block(
            'resource "google_iam_workload_identity_pool" "spiffe"',
            [
                ("project", string(provider.project_number)),
                ("workload_identity_pool_id", string(provider.pool_id)),
                ("description", string(DESCRIPTION)),
            ],
        ),
        _provider(wanted),
    ]
    if wanted.service_account is not None:
        for number, member in enumerate(wanted.members, 1):
            blocks.append(
                _block(
                    f'resource "google_service_account_iam_member" "spiffe_{number}"',
                    [
                        ("service_account_id", string(_account(wanted.service_account))),
                        ("role", string(WORKLOAD_USER)),
                        ("member", string(member)),
                    ],
                    after=[f"depends_on = [{_POOL}]"],
                )
            )
    return "\n".join(blocks)


def string(text: str) -> str:
    """Write a quoted template of HCL that means exactly this text: no interpolation, no directive.

    (HCL 2 native syntax, section Template Expressions: `$${` and `%%{` stand for `${` and `%{`.)
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    escaped = escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    escaped = "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in escaped)
    return '"' + escaped.replace("${", "$${").replace("%{", "%%{") + '"'


def _provider(wanted: Wanted) -> str:
    provider = wanted.provider
    after = ["attribute_mapping = {"]
    after += _aligned([(string(name), string(made)) for name, made in wanted.mapping.expressions.items()])
    after.append("}")
    if isinstance(wanted.trust, Oidc):
        inner = [("issuer_uri", string(wanted.trust.issuer.url))]
        if wanted.trust.allowed_audiences:
            inner.append(("allowed_audiences", _list(wanted.trust.allowed_audiences)))
        after += ["", "oidc {", *_aligned(inner), "}"]
    else:
        after += ["", "x509 {", "  trust_store {", *_store(wanted), "  }", "}"]
    return _block(
        'resource "google_iam_workload_identity_pool_provider" "spiffe"',
        [
            ("project", string(provider.project_number)),
            ("workload_identity_pool_id", f"{_POOL}.workload_identity_pool_id"),
            ("workload_identity_pool_provider_id", string(provider.provider_id)),
            ("description", string(DESCRIPTION)),
            ("attribute_condition", string(wanted.mapping.condition)),
        ],
        after=after,
    )


def _store(wanted: Wanted) -> Iterator[str]:
    assert not isinstance(wanted.trust, Oidc)
    store = wanted.trust.trust_store
    blocks = [("trust_anchors", one) for one in store.anchors]
    blocks += [("intermediate_cas", one) for one in store.intermediates]
    for number, (name, one) in enumerate(blocks):
        if number:
            yield ""
        yield f"    {name} {{"
        yield "      # " + one.name.replace("\n", " ")
        yield f"      pem_certificate = {string(one.pem)}"
        yield "    }"


def _block(head: str, members: list[tuple[str, str]], *, after: list[str] | None = None) -> str:
    lines = [f"{head} {{", *_aligned(members)]
    if after:
        lines += ["", *(f"  {line}" if line else "" for line in after)]
    return "\n".join([*lines, "}"]) + "\n"


def _aligned(members: list[tuple[str, str]]) -> list[str]:
    widest = max(len(name) for name, _ in members)
    return [f"  {name:<{widest}} = {value}" for name, value in members]


def _list(values: tuple[str, ...]) -> str:
    return "[" + ", ".join(string(value) for value in values) + "]"


def _account(email: str) -> str:
    """Name a service account; its project is in most addresses, and `-` stands for it else."""
    match = _PROJECT.fullmatch(email)
    return f"projects/{match[1] if match else '-'}/serviceAccounts/{email}"
