"""Name a provider of a workload identity pool, and what IAM calls those who come through it."""

import re
from dataclasses import dataclass
from typing import Self

from publisher.errors import PublisherError
from publisher.quoting import quote

_HOST = "//iam.googleapis.com/"
_NAME = re.compile(
    r"projects/([^/]*)/locations/global/workloadIdentityPools/([^/]*)/providers/([^/]*)", re.ASCII
)
_NUMBER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_ID = re.compile(r"[a-z0-9-]{4,32}", re.ASCII)
_RESERVED = "gcp-"
_ATTRIBUTE = re.compile(r"[a-z0-9_]{1,100}", re.ASCII)
_FORM = "write projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"


class ProviderNameError(PublisherError):
    """Refuse the name of a pool or a provider. The edge says whose fault it is, and the exit status."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Provider:
    """Name one provider: the number of its project, the id of its pool, and its own.

    Ids have 4 to 32 of the characters `a-z 0-9 -` and do not begin with `gcp-`, which Google keeps.
    """

    project_number: str
    pool_id: str
    provider_id: str

    def __post_init__(self) -> None:
        if not _NUMBER.fullmatch(self.project_number):
            raise ProviderNameError(
                f"project {quote(self.project_number, 40)}",
                "is not the number of a project",
                "write the number, not the id: "
                "gcloud projects describe PROJECT_ID --format='value(projectNumber)'",
            )
        for kind, text in (("pool", self.pool_id), ("provider", self.provider_id)):
            if not _ID.fullmatch(text) or text.startswith(_RESERVED):
                raise ProviderNameError(
                    f"{kind} {quote(text, 40)}",
                    "is no id that Google takes",
                    "use 4 to 32 lower-case letters, digits and dashes, not beginning with gcp-",
                )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the resource name, with or without `//iam.googleapis.com/`, or that with `https:`, before it.

        Raises:
            ProviderNameError: anything else, or an id that Google does not take.

        """
        match = _NAME.fullmatch(text.removeprefix("https:").removeprefix(_HOST))
        if match is None:
            raise ProviderNameError(f"provider {quote(text, 200)}", "is no provider's name", _FORM)
        return cls(project_number=match[1], pool_id=match[2], provider_id=match[3])

    @property
    def pool(self) -> str:
        """Give the resource name of the pool: `projects/NUMBER/.../workloadIdentityPools/POOL`."""
        return f"projects/{self.project_number}/locations/global/workloadIdentityPools/{self.pool_id}"

    @property
    def name(self) -> str:
        """Give the resource name of the provider, without a host."""
        return f"{self.pool}/providers/{self.provider_id}"

    @property
    def audience(self) -> str:
        """Give what STS calls it, and what `aud` is by default: `//iam.googleapis.com/projects/...`."""
        return f"{_HOST}{self.name}"

    def principal(self, subject: str) -> str:
        """Give the member of IAM bindings for one `google.subject`.

        Raises:
            ProviderNameError: a subject of 0 or more than 127 bytes, or with control characters.

        """
        _refuse_value("subject", subject, LONGEST_SUBJECT)
        return f"principal:{_HOST}{self.pool}/subject/{subject}"

    def principal_set(self, attribute: str, value: str) -> str:
        """Give the member of IAM bindings for all whose `attribute.ATTRIBUTE` has this value.

        Raises:
            ProviderNameError: no name of an attribute, or a value as of no token.

        """
        if not _ATTRIBUTE.fullmatch(attribute):
            raise ProviderNameError(
                f"attribute {quote(attribute, 40)}", "is no name of an attribute", "use a-z, 0-9 and _"
            )
        _refuse_value(f"attribute.{attribute}", value, _LONGEST_VALUE)
        return f"principalSet:{_HOST}{self.pool}/attribute.{attribute}/{value}"

    @property
    def everybody(self) -> str:
        """Give the member of IAM bindings for the whole pool: each of its providers lets them in."""
        return f"principalSet:{_HOST}{self.pool}/*"

    def __str__(self) -> str:
        return self.name


LONGEST_SUBJECT = 127
"""The most bytes of `google.subject`."""

_LONGEST_VALUE = 255  # of a trust domain; how long Google lets an attribute be is not documented


def _refuse_value(name: str, text: str, longest: int) -> None:
    if not text.isprintable() or not 0 < len(text.encode(errors="replace")) <= longest:
        raise ProviderNameError(
            f"{name} {quote(text)}",
            f"does not have 1 to {longest} printable bytes",
            "give the value as the attribute mapping makes it",
        )
