"""The generated messages are those of the .proto files, and of SPIRE."""

import subprocess
import sys
from pathlib import Path

import pytest
from spiffe._proto import workload_pb2 as official

from publisher.sources.protocol import server_pb2, workload_pb2

ROOT = Path(__file__).parents[3]
FOLDER = Path("publisher/sources/protocol")


def test_generated_modules_are_current(tmp_path: Path) -> None:
    protos = sorted(path.relative_to(ROOT) for path in (ROOT / FOLDER).glob("*.proto"))
    assert len(protos) == 2
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            "--proto_path=.",
            f"--python_out={tmp_path}",
            f"--pyi_out={tmp_path}",
            *map(str, protos),
        ],
        cwd=ROOT,
        check=True,
        timeout=120,
    )
    for proto in protos:
        for suffix in ("_pb2.py", "_pb2.pyi"):
            name = FOLDER / f"{proto.stem}{suffix}"
            assert (ROOT / name).read_text() == (tmp_path / name).read_text(), f"{name}: run `make protocol`"


@pytest.mark.parametrize(
    "name", ["JWTBundlesRequest", "JWTBundlesResponse", "JWTSVIDRequest", "JWTSVIDResponse", "JWTSVID"]
)
def test_workload_messages_are_a_subset_of_the_official_ones(name: str) -> None:
    ours = workload_pb2.DESCRIPTOR.message_types_by_name[name]
    theirs = official.DESCRIPTOR.message_types_by_name[name]
    for field in ours.fields:
        like = theirs.fields_by_number[field.number]
        assert (like.name, like.type, like.is_repeated) == (field.name, field.type, field.is_repeated)


def test_the_mask_names_the_fields_of_the_bundle() -> None:
    mask = server_pb2.BundleMask.DESCRIPTOR.fields
    bundle = server_pb2.Bundle.DESCRIPTOR.fields_by_number
    assert [(field.number, field.name) for field in mask] == [
        (number, bundle[number].name) for number in (3, 4, 5)
    ]
