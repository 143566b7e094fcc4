"""What the stand-in can be told to do otherwise. Google documents none of these: each is a switch."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Hold the switches; times in seconds of the stand-in's clock."""

    cache_keys_for: float = 0.0
    """How long STS keeps what it fetched from an issuer. Real STS: unknown."""
    refetch_unknown_kid: bool = False
    """Whether a kid that the cache lacks makes STS fetch before the cache has run out."""
    operation_polls: int = 1
    """How many GETs of an operation say that it is not done. 0: done in the first answer."""
    propagation: float = 0.0
    """How long STS goes on with a provider as it was before a change (third: about 5 s)."""
    clock_skew: float = 60.0
    """How far `iat` may lie ahead and `exp` behind."""
    token_lifetime: float = 3600.0
    """What a federated access token lives."""
    bound_by_subject_token: bool = False
    """Whether it ends with the subject token."""
    longest_impersonation: float = 3600.0
    """43,200 where the organisation policy for longer lifetimes is set (documented)."""
    allow_delete: bool = False
    """Whether the API lets pools and providers be deleted. Real: with the permission, yes."""
    blocked_issuers: tuple[str, ...] = ()
    """Issuers, or MTLS, that the organisation policy forbids."""
    fetch_patience: float = 5.0
    """How long STS waits for an issuer, real seconds."""
