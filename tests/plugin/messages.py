"""Messages of SPIRE's plugin interfaces, encoded by hand: nothing is shared with the plugin's own stubs."""

from collections.abc import Collection

from tests import keys
from tests.peers import wire


def bundle(
    *kids: str,
    number: int,
    trust_domain: str = "example.org",
    tainted: Collection[str] = (),
    expires_at: int = 0,
) -> bytes:
    """Give a bundle as SPIRE pushes it: with X.509 and WIT authorities, which are none of our business."""
    authorities = b"".join(
        wire.encode(
            {3: wire.encode({1: keys.der(kid), 2: kid, 3: expires_at or [], 4: int(kid in tainted) or []})}
        )
        for kid in kids
    )
    x509 = wire.encode({2: wire.encode({1: b"\x30\x00"})})
    rest = wire.encode({4: 300, 5: number, 6: wire.encode({2: "wit"})})
    return wire.encode({1: trust_domain}) + x509 + authorities + rest


def configure(plugin_data: str, trust_domain: str) -> bytes:
    """Give what Configure and Validate are sent."""
    return wire.encode({1: wire.encode({1: trust_domain}), 2: plugin_data})
