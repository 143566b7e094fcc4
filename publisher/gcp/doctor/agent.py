"""The stages at the workload's side: the agent, the registration, or the file that holds the SVID."""

from collections.abc import Mapping
from dataclasses import dataclass

from publisher import strict_json
from publisher.bundle.public_key import PublicKey
from publisher.errors import BundleError, PublisherError, SourceError
from publisher.gcp.doctor.regular_file import read_regular
from publisher.gcp.doctor.stage import Seen, error, fine
from publisher.gcp.doctor.target import SvidFile
from publisher.gcp.doctor.token import JwtSeen, NotJwtError
from publisher.gcp.identity_choice import Choice, NoSuchIdentityError, SeveralIdentitiesError
from publisher.gcp.protocol import workload_svids_pb2
from publisher.gcp.workload_svids import FETCH_JWT_SVID, NotRegisteredError, refused
from publisher.oidc import jwks_rules
from publisher.ports import Deadline
from publisher.quoting import quote
from publisher.sources.grpc_call import Peer, StatusError, connected, parse, refusal
from publisher.sources.protocol import workload_pb2
from publisher.sources.workload_api import FETCH_BUNDLES

_SECONDS = 6.0
"""Seconds for one call; an agent whose server is dead lets a request for a new SVID hang."""

_LARGEST = 128 * 1024
_NOT_SPIRE = "something that is not SPIRE's agent answers there"

Keys = Mapping[str, PublicKey]
"""Public keys by `kid`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundles:
    """Hold the keys of the trust domains that the agent knows; `given` False: it shows us none."""

    given: bool
    keys: Mapping[str, Keys]

    def keys_of(self, spiffe_id: str) -> Keys | None:
        """Give the keys of a SPIFFE ID's trust domain; None: unknown."""
        domain = "/".join(spiffe_id.split("/")[:3])
        return self.keys.get(domain) if self.given else None


NO_BUNDLES = Bundles(given=False, keys={})


def look_at_agent(peer: Peer, deadline: Deadline) -> tuple[Seen, Bundles]:
    """Ask the agent for the bundles: it answers even when its server is dead, or nobody is registered."""
    window = _window(deadline)
    try:
        with connected(peer, window) as connection:
            data = connection.first_of_stream(FETCH_BUNDLES, workload_pb2.JWTBundlesRequest())
        answer = parse(data, workload_pb2.JWTBundlesResponse(), where=peer.where)
    except StatusError as status:
        # It refuses a process that it does not know, and other agents than SPIRE's may have no bundles.
        if status.code.name in {"PERMISSION_DENIED", "UNIMPLEMENTED"}:
            return fine(peer.where, "answers"), NO_BUNDLES
        return _unreachable(refusal(peer, status)), NO_BUNDLES
    except (SourceError, BundleError) as failure:
        return _unreachable(failure), NO_BUNDLES
    keys = {name: _keys(jwks) for name, jwks in answer.bundles.items()}
    return fine(peer.where, "answers"), Bundles(given=True, keys=keys)


def look_at_registration(
    peer: Peer, audience: str, choice: Choice, deadline: Deadline
) -> tuple[Seen, JwtSeen | None]:
    """Ask the agent for a JWT-SVID, once."""
    where = f"JWT-SVID for {quote(audience)} from the {peer.where}"
    request = workload_svids_pb2.JWTSVIDRequest(audience=[audience], spiffe_id=choice.spiffe_id or "")
    window = _window(deadline)
    try:
        with connected(peer, window) as connection:
            data = connection.answer(FETCH_JWT_SVID, request)
        answer = parse(data, workload_svids_pb2.JWTSVIDResponse(), where=peer.where)
        chosen = choice.of(answer.svids, where=peer.where)
        svid = JwtSeen.parse(chosen.svid)
    except StatusError as status:
        return no_svid(where, refused(peer, status, choice)), None
    except (SourceError, BundleError) as failure:
        return no_svid(where, failure), None
    except NotJwtError as failure:
        return error("GCP003", where, f"what the agent answers {failure}", _NOT_SPIRE), None
    if svid.subject != chosen.spiffe_id:
        return error("GCP003", where, "it is of another subject than the agent says", _NOT_SPIRE), None
    return fine(where, f"this process is {quote(chosen.spiffe_id)}"), svid


def no_svid(where: str, failure: PublisherError) -> Seen:
    """Say why the agent gives no SVID: no identity, several, or a silent agent."""
    match failure:
        case NotRegisteredError() | NoSuchIdentityError() | SeveralIdentitiesError():
            return error("GCP002", where, failure.what, failure.remedy)
    silent = "does not answer" in failure.what
    remedy = (
        "look at the log of spire-agent: it answers other calls, so it probably does not reach its server"
    )
    return error("GCP003", where, failure.what, remedy if silent else failure.remedy)


def look_at_file(file: SvidFile) -> tuple[Seen, JwtSeen | None]:
    """Read the JWT-SVID as Google's libraries do: the file is sent as it is, or one member of its JSON."""
    where = f"file {quote(str(file.path))}"
    kept = "keep it by spire-oidc-publisher gcp svid-files --watch, readable by the workload's user"
    try:
        body = read_regular(file.path, _LARGEST)
        text = body.decode("ascii")
        if file.member is not None:
            text = str(strict_json.loads(body, where=where)[file.member])
    except OSError as failure:
        return error("GCP004", where, f"cannot be read ({quote(failure.strerror)})", kept), None
    except (UnicodeDecodeError, strict_json.MalformedError, LookupError, TypeError):
        return error("GCP004", where, "does not hold what the configuration says of it", kept), None
    if text != text.strip():
        what = "has white space around the token, and Google's libraries send it along"
        return error("GCP004", where, what, "write the token alone, without a line break at its end"), None
    try:
        svid = JwtSeen.parse(text)
    except NotJwtError as failure:
        return error("GCP004", where, f"its content {failure}", kept), None
    return fine(where, f"holds the JWT-SVID of {quote(svid.subject)}"), svid


def _unreachable(failure: PublisherError) -> Seen:
    return error("GCP001", failure.where, failure.what, failure.remedy)


def _window(deadline: Deadline) -> Deadline:
    return Deadline(deadline.clock, min(_SECONDS, deadline.remaining()))


def _keys(jwks: bytes) -> Keys:
    """Read the keys of one trust domain; what cannot be read is nobody's key."""
    read = jwks_rules.read(jwks, where="bundle")
    if not isinstance(read, tuple):
        return {}
    return {key.kid: key.key for key in read if key.kid is not None and key.key is not None}
