"""The names of the files in the folder that `gcp svid-files` keeps; most are those of spiffe-helper."""

from typing import Final

JWT_SVID: Final = "jwt_svid.token"
"""The JWT-SVID in compact serialisation, and nothing after it: Google's libraries send the file as it is."""

CHAIN: Final = "svid.pem"
"""The X.509-SVID and its intermediates, the leaf first."""

KEY: Final = "svid_key.pem"
"""Its private key: PKCS #8."""

BUNDLE: Final = "svid_bundle.pem"
"""The X.509 authorities of its trust domain."""

TRUST_CHAIN: Final = "trust_chain.pem"
"""The intermediates alone; empty where a trust anchor has signed the leaf."""

CREDENTIAL_BUNDLE: Final = "credential_bundle.pem"
"""Key, leaf and intermediates in one file: who reads it once has a pair that fits."""

CERTIFICATE_CONFIG: Final = "certificate_config.json"
"""Where the pair is, for Google's libraries: it names the files of one version.

A file of its own: the library for Node takes no link.
"""

X509_FILES: Final = (CHAIN, KEY, BUNDLE, TRUST_CHAIN, CREDENTIAL_BUNDLE)
"""The files of a version; of each there is a link at the top."""

CURRENT: Final = "current"
"""The link to the folder of the version that counts."""

VERSION: Final = ".x509-"
"""How the names of the versions' folders begin; a number follows, the highest is the newest."""
