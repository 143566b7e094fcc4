"""Choose the attribute mapping and condition of a provider: no two SPIFFE IDs may share a subject."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import PublisherError
from publisher.gcp.cel import refuse_unbalanced, string_literal
from publisher.gcp.provider_name import LONGEST_SUBJECT, Provider
from publisher.quoting import quote

LONGEST_SPIFFE_ID = 2048
"""The most bytes of a SPIFFE ID that everybody must take (SPIFFE-ID section 2.3)."""

LONGEST_CONDITION = 4096
"""The most characters of an attribute condition."""

TRUST_DOMAIN_ATTRIBUTE = "trust_domain"
"""The attribute that every mapping has besides the subject."""

_SEGMENT = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_TEMPLATE = re.compile(r"(/[A-Za-z0-9._/-]*)\{([a-z0-9_]{1,100})\}((?:/[A-Za-z0-9._/-]*)?)", re.ASCII)
_NO_HASH = (
    "give these workloads shorter SPIFFE IDs, or pin more of what they have in common by --path-prefix; "
    "a single segment, such as split('/')[3], is not offered: it makes one subject of /a/b and /a/c"
)


class MappingError(PublisherError):
    """Refuse what a mapping or a condition would be made of. The edge says whose fault it is."""


class Assertion(StrEnum):
    """Say in which attribute of a credential Google finds the SPIFFE ID."""

    JWT = "assertion.sub"
    X509 = "assertion.san.uri"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """Hold what the condition pins: every SPIFFE ID that comes through begins with `text`.

    `path` begins and ends with a slash. Without the last one `spiffe://example.org` would let in
    `spiffe://example.org.attacker.example/`, and `/prod` would let in `/production`.
    """

    trust_domain: TrustDomain
    path: str = "/"

    def __post_init__(self) -> None:
        inner = self.path.removeprefix("/").removesuffix("/")
        bad = not (self.path.startswith("/") and self.path.endswith("/"))
        if bad or (self.path != "/" and not _is_path(inner)) or len(self.path) > 1024:  # noqa: PLR2004
            raise MappingError(
                f"path {quote(self.path)}",
                "is no beginning of paths that ends at a segment",
                "write something like /ns/prod/, with a slash at both ends, of letters, digits and . _ -",
            )

    @property
    def text(self) -> str:
        """Give it as SPIFFE IDs begin: `spiffe://example.org/`."""
        return f"spiffe://{self.trust_domain}{self.path}"

    def refuse_other(self, spiffe_id: str) -> None:
        """Raise unless this is a SPIFFE ID (SPIFFE-ID section 2) that the condition lets through.

        Raises:
            MappingError: for anything else.

        """
        rest = spiffe_id.removeprefix(self.text)
        if rest == spiffe_id or not _is_path(rest) or len(spiffe_id) > LONGEST_SPIFFE_ID:
            raise MappingError(
                f"SPIFFE ID {quote(spiffe_id)}",
                f"is none below {self.text}",
                "give the whole SPIFFE ID of a workload, as in its registration entry",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """Cut one value out of SPIFFE IDs, for `principalSet://` members: `/ns/{namespace}/` cuts `namespace`."""

    before: str
    name: str
    after: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a template: a path with one `{name}` in it, which ends at a slash or at the end.

        Raises:
            MappingError: for anything else.

        """
        match = _TEMPLATE.fullmatch(text)
        if match is None or "//" in text or match[2] == TRUST_DOMAIN_ATTRIBUTE:
            raise MappingError(
                f"attribute {quote(text)}",
                "is no template of a path",
                "write /before/{name} or /before/{name}/after, name of a-z 0-9 _ and not trust_domain",
            )
        return cls(before=match[1], name=match[2], after=match[3])


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeMapping:
    """Map a SPIFFE ID to `google.subject` and attributes, and let only those below `prefix` through.

    `cut` tells whether the subject is the SPIFFE ID without the prefix, else it is the whole ID. Either way
    different IDs have different subjects: the condition holds the cut part constant.
    """

    assertion: Assertion
    prefix: Prefix
    cut: bool
    attributes: tuple[Attribute, ...] = ()
    extra_condition: str | None = None

    def __post_init__(self) -> None:
        names = [attribute.name for attribute in self.attributes]
        if len(set(names)) < len(names):
            raise MappingError("attributes", "name one attribute twice", "give each its own name")
        if self.extra_condition is not None:
            refuse_unbalanced(self.extra_condition)
        if len(self.condition) > LONGEST_CONDITION:
            raise MappingError(
                "attribute condition",
                f"has {len(self.condition)} characters, more than {LONGEST_CONDITION}",
                "shorten --condition",
            )

    @property
    def expressions(self) -> dict[str, str]:
        """Give each attribute's expression in CEL, the subject first."""
        whole = self.assertion.value
        subject = self._extract(self.prefix.path, "rest", "") if self.cut else whole
        found = {
            "google.subject": subject,
            f"attribute.{TRUST_DOMAIN_ATTRIBUTE}": f"{whole}.extract('spiffe://{{{TRUST_DOMAIN_ATTRIBUTE}}}/')",
        }
        for one in self.attributes:
            # From the first character on: `/ns/{x}/` alone would be found in the middle of another path too.
            found[f"attribute.{one.name}"] = self._extract(one.before, one.name, one.after)
        return found

    @property
    def condition(self) -> str:
        """Give the attribute condition in CEL."""
        pinned = f"{self.assertion.value}.startsWith({string_literal(self.prefix.text)})"
        return f"{pinned} && ({self.extra_condition})" if self.extra_condition else pinned

    def subject(self, spiffe_id: str) -> str:
        """Give the `google.subject` of a SPIFFE ID.

        Raises:
            MappingError: no SPIFFE ID below the prefix, or one whose subject has more than 127 bytes.

        """
        self.prefix.refuse_other(spiffe_id)
        subject = spiffe_id.removeprefix(self.prefix.text) if self.cut else spiffe_id
        if len(subject) > LONGEST_SUBJECT:
            raise MappingError(
                f"SPIFFE ID {quote(spiffe_id)}",
                f"makes a subject of {len(subject)} bytes, and STS refuses more than {LONGEST_SUBJECT}",
                f"give --longest-spiffe-id {len(spiffe_id)}, for a mapping that is shorter",
            )
        return subject

    def member(self, provider: Provider, grant: str) -> str:
        """Give the IAM member for a SPIFFE ID, or for `attribute.NAME=VALUE`.

        Raises:
            MappingError: neither, or an attribute that this mapping does not make.
            ProviderNameError: a value as of no token.

        """
        if grant.startswith("spiffe://"):
            return provider.principal(self.subject(grant))
        name, equals, value = grant.partition("=")
        if not equals or not name.startswith("attribute.") or name not in self.expressions:
            raise MappingError(
                f"grantee {quote(grant)}",
                "is neither a SPIFFE ID nor a mapped attribute with its value",
                "write spiffe://... or one of "
                + ", ".join(f"{known}=VALUE" for known in self.expressions if known != "google.subject"),
            )
        return provider.principal_set(name.removeprefix("attribute."), value)

    def _extract(self, before: str, name: str, after: str) -> str:
        template = f"spiffe://{self.prefix.trust_domain}{before}{{{name}}}{after}"
        return f"{self.assertion.value}.extract({string_literal(template)})"


def must_cut(prefix: Prefix, longest: int) -> bool:
    """Tell whether the subject must be cut for SPIFFE IDs of up to `longest` bytes to fit.

    Raises:
        MappingError: not even a cut one fits. Google's CEL has no hash, so no injective mapping does.

    """
    if longest <= LONGEST_SUBJECT:
        return False
    if longest - len(prefix.text) <= LONGEST_SUBJECT:
        return True
    raise MappingError(
        f"SPIFFE IDs of {longest} bytes",
        f"do not fit into google.subject: {longest - len(prefix.text)} bytes follow {quote(prefix.text)}, "
        f"and {LONGEST_SUBJECT} are allowed",
        _NO_HASH,
    )


def _is_path(text: str) -> bool:
    """Tell whether these are segments of a path (SPIFFE-ID section 2.2), without outer slashes."""
    return all(_SEGMENT.fullmatch(part) and part not in {".", ".."} for part in text.split("/"))
