"""Fetch the X.509 authorities of a trust domain from where bundles come from."""

import base64
import binascii
from collections.abc import Mapping
from typing import Protocol

from publisher import strict_json
from publisher.bundle.formats import choose_trust_domain
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import BundleError
from publisher.gcp.certificate import Certificate
from publisher.gcp.protocol import x509_bundles_pb2
from publisher.ports import Deadline
from publisher.quoting import quote
from publisher.sources import server_api, workload_api
from publisher.sources.bundle_endpoint import BundleEndpointSource
from publisher.sources.file import FileSource
from publisher.sources.grpc_call import StatusError, connected, parse
from publisher.sources.retry import retry

FETCH_BUNDLES = "/SpiffeWorkloadAPI/FetchX509Bundles"

_FORMATS = "give a SPIFFE bundle or PEM: spire-server bundle show [-format spiffe]"


class X509Source(Protocol):
    """Give the X.509 authorities of one trust domain."""

    @property
    def where(self) -> str:
        """Name the place, as every error does."""
        ...

    def fetch(self, deadline: Deadline) -> tuple[Certificate, ...]:
        """Fetch once, retrying within the deadline what may pass.

        Raises:
            SourceError: no answer, or none that may be used.
            BundleError: an answer that is no bundle of this trust domain.

        """
        ...


class WorkloadApiAuthorities:
    """Ask the Workload API at `unix:///path` or `tcp://IP:port` (SPIFFE Workload API section 5.2.2)."""

    def __init__(self, endpoint: str, trust_domain: TrustDomain) -> None:
        self._peer = workload_api.agent_at(endpoint)
        self._wanted = trust_domain
        self.where = self._peer.where

    def fetch(self, deadline: Deadline) -> tuple[Certificate, ...]:
        """Fetch them, the bundle of another trust domain that the agent knows included."""
        return retry(self._attempt, deadline)

    def _attempt(self, deadline: Deadline) -> tuple[Certificate, ...]:
        with connected(self._peer, deadline) as connection:
            try:
                data = connection.first_of_stream(FETCH_BUNDLES, x509_bundles_pb2.X509BundlesRequest())
            except StatusError as status:
                raise workload_api.denial(self._peer, status) from status
        answer = parse(data, x509_bundles_pb2.X509BundlesResponse(), where=self.where)
        offered = {TrustDomain.parse(name): der for name, der in answer.bundles.items()}
        chosen = choose_trust_domain(offered, self._wanted, where=self.where)
        return Certificate.parse_der(offered[chosen], where=f"{self.where}: bundle of {chosen}")


class ServerApiAuthorities:
    """Ask SPIRE's server on its private socket."""

    def __init__(self, endpoint: str, trust_domain: TrustDomain) -> None:
        self._peer = server_api.server_at(endpoint)
        self._wanted = trust_domain
        self.where = self._peer.where

    def fetch(self, deadline: Deadline) -> tuple[Certificate, ...]:
        """Fetch them; a tainted one is among them for as long as SPIRE keeps it."""
        return retry(self._attempt, deadline)

    def _attempt(self, deadline: Deadline) -> tuple[Certificate, ...]:
        request = x509_bundles_pb2.GetBundleRequest(
            output_mask=x509_bundles_pb2.BundleMask(x509_authorities=True)
        )
        with connected(self._peer, deadline) as connection:
            try:
                data = connection.answer(server_api.GET_BUNDLE, request)
            except StatusError as status:
                raise server_api.denial(self._peer, status) from status
        answer = parse(data, x509_bundles_pb2.Bundle(), where=self.where)
        choose_trust_domain([TrustDomain.parse(answer.trust_domain)], self._wanted, where=self.where)
        der = b"".join(one.asn1 for one in answer.x509_authorities)
        return Certificate.parse_der(der, where=self.where)


class BundleEndpointAuthorities:
    """Read a SPIFFE bundle endpoint of profile `https_web`."""

    def __init__(self, url: str, source: BundleEndpointSource) -> None:
        self._source = source
        self.where = f"bundle endpoint {quote(url)}"

    def fetch(self, deadline: Deadline) -> tuple[Certificate, ...]:
        """Read the document, and its keys of use `x509-svid`."""
        return parse_spiffe_bundle(retry(self._source.read, deadline), where=self.where)


class FileAuthorities:
    """Read a file, or standard input where `path` is `-`: a SPIFFE bundle, or certificates in PEM."""

    def __init__(self, path: str) -> None:
        self._file = FileSource(path, None)
        self.where = self._file.where

    def fetch(self, deadline: Deadline) -> tuple[Certificate, ...]:
        """Read it whole; neither format names its trust domain."""
        data = self._file.read(deadline)
        if data.lstrip().startswith(b"-----BEGIN"):
            if len(data) > strict_json.LARGEST:
                raise BundleError(self.where, f"has more than {strict_json.LARGEST} bytes", _FORMATS)
            return Certificate.parse_pem(data, where=self.where)
        return parse_spiffe_bundle(data, where=self.where)


def parse_spiffe_bundle(data: bytes, *, where: str) -> tuple[Certificate, ...]:
    """Read the X.509 authorities of a SPIFFE bundle: the first `x5c` of each key of use `x509-svid`.

    (SPIFFE X509-SVID section 6.2; what follows in an `x5c` is to be ignored.)

    Raises:
        BundleError: no such document, or a key without a certificate.

    """
    try:
        document = strict_json.loads(data, where=where)
    except strict_json.MalformedError as error:
        raise BundleError(error.where, error.what, _FORMATS) from error
    keys = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(keys, list):
        raise BundleError(where, "has no array `keys`", _FORMATS)
    found: list[Certificate] = []
    for number, key in enumerate(keys):
        if not isinstance(key, Mapping) or key.get("use") != "x509-svid":
            continue
        place = f"{where}: keys[{number}]"
        chain = key.get("x5c")
        if not isinstance(chain, list) or not chain or not isinstance(chain[0], str):
            raise BundleError(place, "is of use x509-svid and has no x5c", _FORMATS)
        try:
            der = base64.b64decode(chain[0], validate=True)
        except (binascii.Error, ValueError) as error:
            raise BundleError(place, "has an x5c that is not base64", _FORMATS) from error
        one = Certificate.parse_der(der, where=place)
        if len(one) != 1:
            raise BundleError(place, "has an x5c that is not one certificate", _FORMATS)
        found += one
    return tuple(found)
