"""Names of pools and providers, as they stand in paths, audiences and principals."""

import re
from collections.abc import Iterator, Mapping

PROVIDER = re.compile(
    r"projects/(?P<project>[^/]+)/locations/global/workloadIdentityPools/(?P<pool>[^/]+)"
    r"(?:/providers/(?P<provider>[^/]+))?"
)
_ID = re.compile(r"[a-z0-9-]{4,32}")


def is_legal_id(given: str) -> bool:
    """Tell whether it may name a pool or provider (documented): 4 to 32 of [a-z0-9-], never `gcp-`."""
    return _ID.fullmatch(given) is not None and not given.startswith("gcp-")


def default_audiences(provider: str) -> tuple[str, str]:
    """Give what `aud` must be where the provider lists none: the full name, with or without `https:`."""
    name = f"//iam.googleapis.com/{provider}"
    return name, f"https:{name}"


def pool_of(provider: str) -> str:
    return provider.partition("/providers/")[0]


def principal(pool: str, subject: str) -> str:
    """Name who has that subject; whether IAM wants anything escaped in it is not documented."""
    return f"principal://iam.googleapis.com/{pool}/subject/{subject}"


def memberships(pool: str, mapped: Mapping[str, object]) -> Iterator[str]:
    """Give every `principalSet` that somebody with these mapped attributes belongs to (documented)."""
    start = f"principalSet://iam.googleapis.com/{pool}"
    yield f"{start}/*"
    for key, value in mapped.items():
        if key.startswith("attribute."):
            yield f"{start}/{key}/{value}"
    groups = mapped.get("google.groups")
    for group in groups if isinstance(groups, list) else ():
        yield f"{start}/group/{group}"
