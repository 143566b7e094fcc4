from dataclasses import dataclass
from datetime import datetime

from publisher.bundle.public_key import PublicKey
from publisher.errors import BundleError
from publisher.quoting import quote

LONGEST_KID = 256
"""The most bytes of a `kid`, in UTF-8. SPIRE's have 32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtAuthority:
    """Hold one key of a trust bundle that signs JWT-SVIDs.

    `expires_at` (UTC) and `tainted` are None where the source does not tell them: only SPIRE's server
    API and its plugin interface do.

    Raises:
        BundleError: a `kid` that is empty, longer than `LONGEST_KID` bytes or not printable.

    """

    kid: str
    key: PublicKey
    expires_at: datetime | None = None
    tainted: bool | None = None

    def __post_init__(self) -> None:
        if not self.kid or not self.kid.isprintable():
            raise BundleError(
                f"kid {quote(self.kid, 40)}", "is empty or not printable", "SPIRE never makes such a key ID"
            )
        if len(self.kid.encode()) > LONGEST_KID:
            raise BundleError(
                f"kid {quote(self.kid, 40)}",
                f"has {len(self.kid.encode())} bytes, more than {LONGEST_KID}",
                "SPIRE never makes such a key ID",
            )
