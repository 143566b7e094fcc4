"""The stages of the X.509 way: the SVID, its chain to the provider's trust store, what mutual TLS needs."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from publisher import strict_json
from publisher.errors import BundleError, SourceError
from publisher.gcp.certificate import Certificate
from publisher.gcp.doctor.agent import no_svid
from publisher.gcp.doctor.provider import ProviderSeen
from publisher.gcp.doctor.regular_file import read_regular
from publisher.gcp.doctor.stage import Seen, error, fine, unknown
from publisher.gcp.doctor.target import X509Files
from publisher.gcp.identity_choice import Choice
from publisher.gcp.protocol import workload_svids_pb2
from publisher.gcp.trust_store import TrustStore
from publisher.gcp.workload_svids import FETCH_X509_SVID, refused
from publisher.gcp.x509_svid import read_x509_svid
from publisher.ports import Deadline
from publisher.quoting import quote
from publisher.sources.grpc_call import Peer, StatusError, connected

_SECONDS = 6.0
_LARGEST = 256 * 1024
_LONGEST_DAYS, _DEEPEST = 390, 5
_RSA_BITS = (2048, 4096)
_CURVES = ("secp256r1", "secp384r1")
_KEPT = "keep it by spire-oidc-publisher gcp svid-files --watch, readable by the workload's user"
_STORE = "bring the trust store up to date: spire-oidc-publisher gcp setup --x509 --apply"


@dataclass(frozen=True, slots=True, kw_only=True)
class X509Seen:
    """Hold an X.509-SVID: the chain, leaf first, and its key in PEM."""

    chain: tuple[Certificate, ...]
    key: bytes = field(repr=False)

    @property
    def leaf(self) -> x509.Certificate:
        """Give the leaf."""
        return self.chain[0].x509

    @property
    def spiffe_id(self) -> str:
        """Give the first URI SAN, which is what `assertion.san.uri` is; empty: none."""
        try:
            names = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
            return ""
        return next(iter(names.get_values_for_type(x509.UniformResourceIdentifier)), "")

    @property
    def pair(self) -> tuple[bytes, bytes]:
        """Give chain and key, for mutual TLS."""
        return b"".join(one.pem.encode() for one in self.chain), self.key

    @property
    def subject_token(self) -> str:
        """Give the chain as the token service wants it: a JSON list of base64 of DER."""
        ders = (one.x509.public_bytes(Encoding.DER) for one in self.chain)
        return json.dumps([base64.b64encode(der).decode() for der in ders])


def look_at_x509_registration(peer: Peer, choice: Choice, deadline: Deadline) -> tuple[Seen, X509Seen | None]:
    """Ask the agent for an X.509-SVID, once."""
    where = f"X.509-SVID from the {peer.where}"
    window = Deadline(deadline.clock, min(_SECONDS, deadline.remaining()))
    try:
        with connected(peer, window) as connection:
            data = connection.first_of_stream(FETCH_X509_SVID, workload_svids_pb2.X509SVIDRequest())
        svid = read_x509_svid(data, choice, where=peer.where)
        chain = tuple(one for pem in svid.chain for one in Certificate.parse_pem(pem, where=where))
    except StatusError as status:
        return no_svid(where, refused(peer, status, choice)), None
    except (SourceError, BundleError) as failure:
        return no_svid(where, failure), None
    return fine(where, f"this process is {quote(svid.spiffe_id)}"), X509Seen(chain=chain, key=svid.key)


def look_at_x509_files(files: X509Files) -> tuple[Seen, X509Seen | None]:
    """Read certificate, key and chain where Google's libraries do."""
    where = f"file {quote(str(files.certificate_config))}"
    try:
        config = strict_json.loads(_content(files.certificate_config), where=where)
        workload = config["cert_configs"]["workload"]
        paths = [Path(str(workload["cert_path"])), Path(str(workload["key_path"]))]
        # The libraries send the leaf and the trust chain, and nothing else of the certificate's file.
        chain = Certificate.parse_pem(_content(paths[0]), where=f"file {quote(str(paths[0]))}")[:1]
        if files.trust_chain is not None and (more := _content(files.trust_chain)).strip():
            listed = Certificate.parse_pem(more, where=f"file {quote(str(files.trust_chain))}")
            chain += tuple(one for one in listed if one not in chain)
        key = _content(paths[1])
    except OSError as failure:
        named = quote(str(failure.filename))
        return error("GCP004", f"file {named}", f"cannot be read ({quote(failure.strerror)})", _KEPT), None
    except BundleError as failure:
        return error("GCP004", failure.where, failure.what, _KEPT), None
    except (strict_json.MalformedError, LookupError, TypeError):
        return error("GCP004", where, "is no certificate_config.json of a workload", _KEPT), None
    if not _fits(key, chain[0]):
        return error(
            "GCP004", f"file {quote(str(paths[1]))}", "is not the key of the certificate", _KEPT
        ), None
    seen = X509Seen(chain=chain, key=key)
    return fine(where, f"leads to the X.509-SVID of {quote(seen.spiffe_id)}"), seen


def look_at_leaf(svid: X509Seen) -> Seen:
    """Look whether Google takes such a leaf: key, life, name."""
    where = f"X.509-SVID of {quote(svid.spiffe_id)}"
    key = svid.leaf.public_key()
    sound = (isinstance(key, rsa.RSAPublicKey) and _RSA_BITS[0] <= key.key_size <= _RSA_BITS[1]) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES
    )
    if not sound:
        remedy = "set workload_x509_svid_key_type in agent.conf to ec-p256 or rsa-2048"
        return error("GCP022", where, "its key is none of RSA 2048 to 4096, P-256 and P-384", remedy)
    if not svid.spiffe_id.startswith("spiffe://"):
        return error("GCP022", where, "it has no SPIFFE ID as its URI SAN", "look at what issues it")
    days = (svid.leaf.not_valid_after_utc - svid.leaf.not_valid_before_utc).days
    if days > _LONGEST_DAYS:
        what = f"it lives {days} days, and Google takes {_LONGEST_DAYS} at most"
        return error("GCP022", where, what, "lower default_x509_svid_ttl in SPIRE's server.conf")
    return fine(
        where, f"{len(svid.chain)} certificates, until {svid.leaf.not_valid_after_utc:%Y-%m-%d %H:%M:%SZ}"
    )


def look_at_chain(svid: X509Seen, provider: ProviderSeen, now: datetime) -> Seen:
    """Look for a path from the leaf to an anchor of the provider's trust store."""
    where = "trust store of the provider"
    if provider.body is None:
        return unknown(where, "is not known here", "give credentials that may read the provider")
    try:
        store = TrustStore.parse(provider.trust_store or {}, where=where)
    except BundleError as failure:
        return error("GCP021", failure.where, failure.what, _STORE)
    between = [*svid.chain[1:], *store.intermediates]
    valid = [one for one in store.anchors if one.not_before <= now < one.not_after]
    depth = _depth(svid.chain[0], between, valid, now)
    if depth is not None:
        return fine(where, f"has the anchor; the path has {depth} certificates")
    if _depth(svid.chain[0], between, store.anchors, now) is not None:
        return error("GCP021", where, "the anchor of this SVID has expired", _STORE)
    names = "; ".join(one.name for one in store.anchors) or "none"
    issuer = quote(svid.chain[-1].x509.issuer.rfc4514_string(), 80)
    what = (
        f"no path of {_DEEPEST} certificates from this SVID, whose chain ends at {issuer}; anchors: {names}"
    )
    return error("GCP021", where, what, f"{_STORE}; or send the intermediates along (trust_chain_path)")


def _depth(
    leaf: Certificate, between: Sequence[Certificate], anchors: Sequence[Certificate], now: datetime
) -> int | None:
    """Give how many certificates a path has, leaf and anchor included; None: there is none."""
    paths = [[leaf]]
    while paths:
        path = paths.pop(0)
        if len(path) >= _DEEPEST:
            continue
        if any(_vouches(anchor, path[-1]) for anchor in anchors):
            return len(path) + 1
        paths.extend(
            [*path, one]
            for one in between
            if one not in path and one.not_before <= now < one.not_after and _vouches(one, path[-1])
        )
    return None


def _vouches(issuer: Certificate, issued: Certificate) -> bool:
    try:
        issued.x509.verify_directly_issued_by(issuer.x509)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _fits(key: bytes, leaf: Certificate) -> bool:
    try:
        found = load_pem_private_key(key, None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    return found.public_bytes(*form) == leaf.x509.public_key().public_bytes(*form)


def _content(path: Path) -> bytes:
    return read_regular(path, _LARGEST)
