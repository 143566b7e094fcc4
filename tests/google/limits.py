"""What the IAM API lets a pool or provider be.

Documented: ids, 8 keys, members of a key, 3 anchors, 10 intermediates, 32 KB, one CA certificate in a PEM, 10
audiences of 256 characters, conditions of 4,096, mapping values of 2,048 characters, display names of 32,
descriptions of 256, https for issuers, discovery on the issuer's host. Third: P-384 in uploaded keys is
refused. Invented: most of the words; that expressions are tried out when they are stored by parsing them
only; RSA sizes other than 2048 and 4096 are refused in uploaded keys.
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from tests.google.cel_parser import CelError, parse
from tests.google.chains import is_legal_key
from tests.google.errors import ApiError
from tests.google.settings import Settings

_KEY_MEMBERS = {"kty", "alg", "use", "kid", "n", "e", "x", "y", "crv"}
_MOST_KEYS, _MOST_ANCHORS, _MOST_INTERMEDIATES, _LARGEST_PEM = 8, 3, 10, 32 * 1024
_MOST_AUDIENCES, _LONGEST_AUDIENCE, _LONGEST_CONDITION, _LONGEST_EXPRESSION = 10, 256, 4096, 2048
_LONGEST_NAME, _LONGEST_DESCRIPTION, _MOST_CUSTOM = 32, 256, 50
_CUSTOM = re.compile(r"attribute\.[a-z0-9_]{1,100}")
_RSA_BYTES = (256, 512)
_NO_JWKS = "Input JWK is not in a valid json format."  # Google's words (documented)


def check_texts(body: Mapping[str, Any]) -> None:
    """Hold a pool or provider to the lengths of its texts; raises ApiError."""
    bounds = {"displayName": _LONGEST_NAME, "description": _LONGEST_DESCRIPTION}
    for member, longest in bounds.items():
        if len(body.get(member, "")) > longest:
            raise ApiError(400, f"{member} must be less than or equal to {longest} characters")


def check_provider(body: Mapping[str, Any], settings: Settings) -> None:
    """Hold a whole provider to the API's limits.

    Raises:
        ApiError: 400 INVALID_ARGUMENT, or FAILED_PRECONDITION for an issuer that the policy forbids.

    """
    check_texts(body)
    kinds = [kind for kind in ("oidc", "x509") if kind in body]
    if len(kinds) != 1:
        raise ApiError(400, "Exactly one provider config is required.")
    _check_mapping(body.get("attributeMapping") or {})
    condition = body.get("attributeCondition", "")
    if len(condition) > _LONGEST_CONDITION:
        raise ApiError(400, f"attribute_condition exceeds {_LONGEST_CONDITION} characters")
    if condition:
        _check_expression("attribute_condition", condition)
    if kinds == ["oidc"]:
        _check_oidc(body["oidc"], settings)
    else:
        _check_policy("MTLS", settings)
        _check_store(body["x509"].get("trustStore") or {})


def _check_mapping(mapping: Mapping[str, str]) -> None:
    if not mapping.get("google.subject"):
        raise ApiError(400, "The attribute mapping must have google.subject.")
    custom = [key for key in mapping if key not in {"google.subject", "google.groups"}]
    for key in custom:
        if _CUSTOM.fullmatch(key) is None:
            raise ApiError(
                400,
                f"Invalid mapped attribute key: {key}. Custom mapped attributes must be in format "
                "'attribute.{custom_attribute}'.",
            )
    if len(custom) > _MOST_CUSTOM:
        raise ApiError(400, f"At most {_MOST_CUSTOM} custom attributes can be mapped.")
    for key, expression in mapping.items():
        if len(expression) > _LONGEST_EXPRESSION:
            raise ApiError(400, f"The mapping of {key} exceeds {_LONGEST_EXPRESSION} characters.")
        _check_expression(key, expression)


def _check_expression(where: str, expression: str) -> None:
    try:
        parse(expression)
    except CelError as error:
        raise ApiError(400, f"Error compiling CEL expression of {where}: {error}") from error


def _check_oidc(oidc: Mapping[str, Any], settings: Settings) -> None:
    issuer = str(oidc.get("issuerUri", ""))
    parts = urlsplit(issuer)
    if parts.scheme != "https" or not parts.netloc or parts.query or parts.fragment:
        raise ApiError(400, "The issuer_uri must be a valid https URI.")
    found = urlsplit(str(oidc.get("discoveryUri") or issuer))
    if (found.scheme, found.hostname) != ("https", parts.hostname):
        raise ApiError(400, "The discovery_uri must be https and on the issuer's host.")
    _check_policy(issuer, settings)
    audiences = oidc.get("allowedAudiences", [])
    if len(audiences) > _MOST_AUDIENCES or any(len(one) > _LONGEST_AUDIENCE for one in audiences):
        raise ApiError(400, f"At most {_MOST_AUDIENCES} audiences of {_LONGEST_AUDIENCE} characters.")
    if oidc.get("jwksJson"):
        _check_jwks(oidc["jwksJson"])


def _check_policy(value: str, settings: Settings) -> None:
    if value in settings.blocked_issuers:
        violation = {
            "description": f"Org Policy violated for value: '{value}'.",
            "type": "constraints/iam.workloadIdentityPoolProviders",
        }
        kind = "type.googleapis.com/google.rpc.PreconditionFailure"
        raise ApiError(
            400,
            "Precondition check failed.",
            name="FAILED_PRECONDITION",
            details=[{"@type": kind, "violations": [violation]}],
        )


def _check_jwks(text: str) -> None:
    try:
        keys = json.loads(text)["keys"]
    except (ValueError, KeyError, TypeError) as error:
        raise ApiError(400, _NO_JWKS) from error
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise ApiError(400, _NO_JWKS)
    if len(keys) > _MOST_KEYS:
        raise ApiError(400, f"At most {_MOST_KEYS} keys can be uploaded.")
    for key in keys:
        if set(key) - _KEY_MEMBERS:
            raise ApiError(400, _NO_JWKS)  # reported, for x5c and x5t
        curve = key.get("crv")
        rsa = key.get("kty") == "RSA" and len(key.get("n", "")) * 6 // 8 in _RSA_BYTES
        if not key.get("kid") or key.get("use", "sig") != "sig":
            raise ApiError(400, "A JWK needs a kid, and no use but sig.")
        if not rsa and (key.get("kty"), curve) != ("EC", "P-256"):
            raise ApiError(400, "A JWK must be RSA of 2048 or 4096 bits, or EC of P-256.")


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _check_store(store: Mapping[str, Any]) -> None:
    anchors, between = store.get("trustAnchors") or [], store.get("intermediateCas") or []
    if not 1 <= len(anchors) <= _MOST_ANCHORS:
        raise ApiError(400, f"A trust store has 1 to {_MOST_ANCHORS} trust anchors.")
    if len(between) > _MOST_INTERMEDIATES:
        raise ApiError(400, f"A trust store has at most {_MOST_INTERMEDIATES} intermediate CAs.")
    for item in [*anchors, *between]:
        pem = item.get("pemCertificate", "").encode()
        if len(pem) > _LARGEST_PEM:
            raise ApiError(400, f"A certificate has at most {_LARGEST_PEM} bytes.")
        try:
            certificate = x509.load_pem_x509_certificate(pem)
        except ValueError as error:
            raise ApiError(400, "A certificate is not valid PEM.") from error
        if pem.count(b"-----BEGIN") != 1 or not _is_authority(certificate):
            raise ApiError(400, "pem_certificate must only contain one CA certificate.")
        if not is_legal_key(certificate):
            raise ApiError(400, "A certificate's key must be RSA of 2048 to 4096 bits, P-256 or P-384.")
