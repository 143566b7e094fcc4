"""What the Terraform provider knows of the resources that `gcp setup` writes.

Read, as `tests/deploy/terraform_schema.json` was, from the npm package it names. To renew it, unpack the
package and run

    python -m tests.gcp.provider_schema path/to/package
"""

import json
import sys
from pathlib import Path
from typing import Any

from tests.deploy.terraform_schema import extract
from tests.deploy.terraform_schema import load as load_other

SCHEMA = Path(__file__).with_name("terraform_schema.json")
TYPES = (
    "google_iam_workload_identity_pool",
    "google_iam_workload_identity_pool_provider",
    "google_service_account_iam_member",
)


def load() -> dict[str, Any]:
    """Read the kept schema, of the same form as `tests.deploy.terraform_schema.load`."""
    schema: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return schema


def main(package: Path) -> None:
    """Write it anew from an unpacked package, of the version that deploy/terraform is held against."""
    other = load_other()
    schema = {
        "package": other["package"],
        "provider": other["provider"],
        "resource": {name: extract(package, "resource", name) for name in TYPES},
        "data": {},
    }
    SCHEMA.write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
