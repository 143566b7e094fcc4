"""Write what is wanted at Google as gcloud commands for a POSIX shell."""

import shlex
from collections.abc import Iterable, Iterator

from publisher.gcp.setup_plan import DESCRIPTION, WORKLOAD_USER, Oidc, Wanted, trust_store_file

TRUST_STORE = "trust-store.yaml"
"""Where the commands write the trust store, in the working directory, unless a file has it already."""

_END = "END_OF_TRUST_STORE"
_POOLS = ("gcloud", "iam", "workload-identity-pools")


def script(wanted: Wanted, *, trust_store: str | None = None) -> str:
    """Give the whole script; `trust_store` is the path of a file that has the trust store already.

    Commands that create fail on what is there already; a comment names the one that changes it.
    """
    lines = ["set -eu"]
    if wanted.kind == "x509" and trust_store is None:
        lines += [f"cat > {TRUST_STORE} <<'{_END}'", trust_store_text(wanted) + _END]
    lines += [
        "# The pool; where it is there already, leave this out.",
        written(pool_command(wanted)),
        "# The provider; where it is there already, write update- for create-.",
        written(provider_command(wanted, trust_store=trust_store or TRUST_STORE)),
    ]
    if wanted.service_account is not None and wanted.members:
        lines.append("# Who may act as the service account.")
        lines += [written(command) for command in binding_commands(wanted)]
    return "\n".join(lines) + "\n"


def pool_command(wanted: Wanted) -> list[str]:
    """Give the words of the command that creates the pool."""
    provider = wanted.provider
    return [*_POOLS, "create", provider.pool_id, *_place(wanted), f"--description={DESCRIPTION}"]


def provider_command(wanted: Wanted, *, trust_store: str) -> list[str]:
    """Give the words of the command that creates the provider."""
    provider = wanted.provider
    words = [*_POOLS, "providers", f"create-{wanted.kind}", provider.provider_id, *_place(wanted)]
    words += [f"--workload-identity-pool={provider.pool_id}", f"--description={DESCRIPTION}"]
    words.append(f"--attribute-mapping={listed(f'{n}={e}' for n, e in wanted.mapping.expressions.items())}")
    words.append(f"--attribute-condition={wanted.mapping.condition}")
    if isinstance(wanted.trust, Oidc):
        words.append(f"--issuer-uri={wanted.trust.issuer}")
        if wanted.trust.allowed_audiences:
            words.append(f"--allowed-audiences={listed(wanted.trust.allowed_audiences)}")
    else:
        words.append(f"--trust-store-config-path={trust_store}")
    return words


def binding_commands(wanted: Wanted) -> Iterator[list[str]]:
    """Give the words of the commands that let each member act as the service account."""
    assert wanted.service_account is not None
    for member in wanted.members:
        yield [
            *("gcloud", "iam", "service-accounts", "add-iam-policy-binding", wanted.service_account),
            f"--role={WORKLOAD_USER}",
            f"--member={member}",
            "--condition=None",
        ]


def written(words: list[str]) -> str:
    """Write a command for the shell, an option on each line."""
    quoted = [shlex.quote(word) for word in words]
    first = next(number for number, word in enumerate(words) if word.startswith("--"))
    return " \\\n  ".join([" ".join(quoted[:first]), *quoted[first:]])


def listed(values: Iterable[str]) -> str:
    """Write a list for one option of gcloud, with another delimiter where a value has a comma.

    (`gcloud topic escaping`: `^;^a;b`.)
    """
    texts = list(values)
    if not any("," in text or text.startswith("^") for text in texts):
        return ",".join(texts)
    delimiter = next(mark for mark in _DELIMITERS if not any(mark in text for text in texts))
    return f"^{delimiter}^{delimiter.join(texts)}"


_DELIMITERS = (";", "|", "#", "~", "@@", ";;;", "#~#~#")


def trust_store_text(wanted: Wanted) -> str:
    """Give the content of the trust store's file."""
    assert not isinstance(wanted.trust, Oidc)
    return trust_store_file(wanted.trust.trust_store).decode()


def _place(wanted: Wanted) -> list[str]:
    return [f"--project={wanted.provider.project_number}", "--location=global"]
