"""The adapters of `gcp setup`, each imported where it is made."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from publisher.bundle.fetched import SourceKind
from publisher.bundle.trust_domain import TrustDomain
from publisher.gcp.endpoints import Endpoints
from publisher.ports import Deadline
from publisher.settings.addresses import SourceAddress

if TYPE_CHECKING:
    from publisher.gcp.iam_api import IamApi
    from publisher.gcp.x509_authorities import X509Source


def x509_source(address: SourceAddress, trust_domain: TrustDomain, ca_file: Path | None) -> "X509Source":
    """Make the source of X.509 authorities.

    Raises:
        SourceError: a place that can be none.
        SettingsError: a CA file that cannot be read.

    """
    from publisher.gcp import x509_authorities as x509  # noqa: PLC0415 (lazy: a provider for JWTs needs none)

    match address.kind:
        case SourceKind.WORKLOAD_API:
            return x509.WorkloadApiAuthorities(address.place, trust_domain)
        case SourceKind.SERVER_API:
            return x509.ServerApiAuthorities(address.place, trust_domain)
        case SourceKind.BUNDLE_ENDPOINT:
            from publisher.https import Https  # noqa: PLC0415 (lazy: see above)
            from publisher.sources.bundle_endpoint import BundleEndpointSource  # noqa: PLC0415

            source = BundleEndpointSource(address.place, trust_domain, Https(ca_file))
            return x509.BundleEndpointAuthorities(address.place, source)
        case SourceKind.FILE:
            return x509.FileAuthorities(address.place)
        case SourceKind.SPIRE_PLUGIN:
            raise AssertionError("no address has this kind")  # pragma: no cover - SourceAddress refuses it


@contextmanager
def iam_api(environment: Mapping[str, str], deadline: Deadline) -> Iterator["IamApi"]:
    """Open the IAM API with the Application Default Credentials, and close it.

    Raises:
        SettingsError: an endpoint of the environment that is none.
        SinkError: no credentials.

    """
    from publisher.gcp.iam_api import IamApi  # noqa: PLC0415 (lazy: printing needs none)
    from publisher.gcp.iam_transport import IamTransport  # noqa: PLC0415

    origin = Endpoints.read(environment).iam
    transport = IamTransport(origin)
    try:
        yield IamApi(transport, origin, deadline)
    finally:
        transport.close()
