"""What deploy/terraform says, held against what the Google provider knows, without Terraform."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.deploy.terraform_files import (
    META,
    NAMED,
    REFERENCE,
    TERRAFORM,
    Block,
    Module,
    read_folder,
    strangers,
    terraform_folders,
)
from tests.deploy.terraform_schema import PACKAGE, load, used_types

SCHEMA = load()
MODULES = {str(folder.relative_to(TERRAFORM)): read_folder(folder) for folder in terraform_folders()}
every_folder = pytest.mark.parametrize("name", sorted(MODULES))


def _without_meta(block: Block) -> dict[str, Any]:
    return {name: value for name, value in block.body.items() if name not in META}


def test_the_folders_are_the_three_modules_and_the_two_examples() -> None:
    assert sorted(MODULES) == [
        "examples/private-bucket-with-function",
        "examples/public-bucket",
        "modules/bucket",
        "modules/function",
        "modules/publisher",
    ]


def test_the_kept_schema_is_of_exactly_the_types_that_are_used() -> None:
    kept = {(kind, type_name) for kind in ("resource", "data") for type_name in SCHEMA[kind]}
    assert kept == used_types()


@every_folder
def test_the_kept_schema_is_of_a_provider_that_the_folder_accepts(name: str) -> None:
    constraint = re.search(r'version = "~> (\d+)\.(\d+)"', (MODULES[name].folder / "versions.tf").read_text())
    version = re.fullmatch(r"hashicorp/google (\d+)\.(\d+)\.\d+", SCHEMA["provider"])
    assert constraint
    assert version
    assert constraint.groups() == version.groups()
    assert SCHEMA["package"].startswith(f"{PACKAGE} ")


@every_folder
def test_every_resource_and_argument_is_one_that_the_provider_knows(name: str) -> None:
    module = MODULES[name]
    said = [
        sentence
        for kind in ("resource", "data")
        for block in getattr(module, kind)
        for sentence in strangers(
            _without_meta(block), SCHEMA[kind][block.type], f"{block.type}.{block.name}"
        )
    ]
    assert said == []
    assert module.resource or module.call


@every_folder
def test_every_attribute_that_is_read_is_one_that_the_provider_has(name: str) -> None:
    module = MODULES[name]
    blocks = {"resource": module.resource, "data": module.data}
    for data, type_name, block_name, attribute in REFERENCE.findall(module.text()):
        kind = "data" if data else "resource"
        assert block_name in {block.name for block in blocks[kind] if block.type == type_name}
        assert attribute in SCHEMA[kind][type_name]["attributes"]


@every_folder
def test_what_is_named_is_declared_and_what_is_declared_is_used(name: str) -> None:
    module = MODULES[name]
    used: dict[str, set[str]] = {"var": set(), "local": set(), "module": set()}
    for kind, what, output in NAMED.findall(module.text() + _provider(module)):
        used[kind].add(what)
        if kind == "module":
            assert output in _called(module, what).output
    # A condition names its own variable; that alone is no use.
    assert used["var"] == set(module.variable)
    assert used["local"] == set(module.local)
    assert used["module"] <= set(module.call)


@every_folder
def test_every_call_passes_what_the_module_asks_for(name: str) -> None:
    module = MODULES[name]
    for call, body in module.call.items():
        passed = {key for key in body if key not in {"source", "__is_block__"}}
        declared = _called(module, call).variable
        assert passed <= set(declared)
        assert {key for key, variable in declared.items() if "default" not in variable} <= passed


@every_folder
def test_every_variable_and_output_says_what_it_is(name: str) -> None:
    module = MODULES[name]
    for body in (*module.variable.values(), *module.output.values()):
        assert str(body["description"]).endswith(".")
    assert all("type" in body for body in module.variable.values())


def _called(module: Module, call: str) -> Module:
    folder = (module.folder / str(module.call[call]["source"])).resolve()
    return MODULES[str(folder.relative_to(TERRAFORM))]


def _provider(module: Module) -> str:
    return (module.folder / "versions.tf").read_text(encoding="utf-8")


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param(lambda body: body.update(mimimum=1), "s: no argument mimimum", id="unknown-argument"),
        pytest.param(lambda body: body.update(uri="x"), "s: no argument uri", id="only-computed"),
        pytest.param(lambda body: body.pop("location"), "s: location is missing", id="missing-argument"),
        pytest.param(lambda body: body.pop("template"), "s: no block template", id="missing-block"),
        pytest.param(
            lambda body: body.update(build_config=body["build_config"] * 2),
            "s: build_config more than once",
            id="block-too-many",
        ),
        pytest.param(
            lambda body: body.update(build_configs=body["build_config"]),
            "s: no block is called build_configs",
            id="unknown-block",
        ),
        pytest.param(
            lambda body: body["template"][0]["containers"][0].update(images="x"),
            "s.template.containers: no argument images",
            id="deep-inside",
        ),
        pytest.param(
            lambda body: body["template"][0]["containers"][0]["dynamic"][0]["env"]["content"][0].pop("name"),
            "s.template.containers.env: name is missing",
            id="in-a-dynamic-block",
        ),
    ],
)
def test_the_check_notices(change: Change, sentence: str) -> None:
    [block] = [
        block for block in read_folder(TERRAFORM / "modules/function").resource if block.name == "serve"
    ]
    body = _without_meta(block)
    schema: Mapping[str, Any] = SCHEMA["resource"]["google_cloud_run_v2_service"]
    assert strangers(body, schema, "s") == []
    change(body)
    assert sentence in strangers(body, schema, "s")


def test_nothing_here_makes_a_pool_a_provider_or_a_key() -> None:
    types = {type_name for _, type_name in used_types()}
    assert not [name for name in types if "workload_identity" in name or name.endswith("_key")]


def test_the_function_knows_every_setting_that_can_be_passed_on() -> None:
    module = read_folder(TERRAFORM / "modules/function")
    listed = set(re.findall(r'"([A-Z_]+)"', str(module.variable["settings"]["validation"])))
    passed = set(re.findall(r"SPIRE_OIDC_PUBLISHER_([A-Z_]+)", module.text())) | listed
    code = (TERRAFORM.parents[1] / "function/spire_oidc_function/settings.py").read_text(encoding="utf-8")
    known = {name.upper().replace("-", "_") for name in re.findall(r'"([a-z]+(?:-[a-z]+)*)"', code)}
    assert {"STALE_POLICY", "SETTLE_TIME"} <= listed
    assert passed - known == {"BUCKET_URL"}  # the publisher's alone


def test_no_state_lies_in_the_checkout() -> None:
    ignored = (TERRAFORM / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"*.tfstate", "*.tfplan", "*.tfvars", ".terraform/"} <= set(ignored)
    assert not list(TERRAFORM.rglob("*.tfstate"))
