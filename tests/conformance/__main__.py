"""Judge any issuer: python -m tests.conformance https://issuer [--ca-file FILE] [--require-manifest]."""

import argparse
import sys
from pathlib import Path

from publisher.findings import Severity
from tests.conformance.black_box import checked
from tests.conformance.relying_parties import RelyingParty


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("issuer")
    parser.add_argument("--ca-file", type=Path)
    parser.add_argument("--require-manifest", action="store_true")
    options = parser.parse_args()
    findings = checked(options.issuer, ca_file=options.ca_file, require_manifest=options.require_manifest)
    for finding in findings:
        sys.stdout.write(f"{finding}\n")
    if any(finding.severity is Severity.ERROR for finding in findings):
        return 1  # the libraries would end in a traceback that says less
    for library, keys in RelyingParty(options.issuer, options.ca_file).load().items():
        sys.stdout.write(f"{library} read {len(keys)} keys: {', '.join(map(ascii, keys))}\n")
    return 1 if any(finding.severity is Severity.WARNING for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
