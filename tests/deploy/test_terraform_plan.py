"""The examples, validated and planned by Terraform itself; its provider knows the schema and no cloud."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from publisher.logs import JsonFormatter
from tests.deploy.terraform_values import UNKNOWN
from tests.deploy.terraform_workspace import PROGRAM, Plan, RefusedError, Workspace, copied

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no terraform on the PATH")

PUBLIC = {"project": "home", "bucket": "example-oidc"}
PRIVATE = {**PUBLIC, "trust_domain": "example.org", "source_archive": "function.zip"}
URL = "https://spire-oidc-<number of it>.europe-west1.run.app"
FUNCTION = "serviceAccount:<email of spire-oidc-function>"
EVENTS = "serviceAccount:<email of spire-oidc-events>"
BUILD = "serviceAccount:<email of spire-oidc-build>"
PUBLISHER = "serviceAccount:<email of spire-oidc-publisher>"
READER = "roles/storage.legacyObjectReader"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with copied(tmp_path_factory.mktemp("terraform") / "copy") as found:
        yield found


@pytest.fixture(scope="module")
def public(workspace: Workspace) -> Plan:
    return workspace.plan("public-bucket", PUBLIC)


@pytest.fixture(scope="module")
def private(workspace: Workspace) -> Plan:
    return workspace.plan(
        "private-bucket-with-function",
        {**PRIVATE, "status_token_secret": "status-token", "alert_email": "ops@example.org"},
    )


def test_the_public_bucket_can_be_read_and_not_listed(public: Plan) -> None:
    bucket = public["google_storage_bucket.documents"]
    assert bucket["uniform_bucket_level_access"] is True
    assert bucket["public_access_prevention"] == "inherited"
    assert public.grants("google_storage_bucket") == {
        ("example-oidc", READER, "allUsers"),
        ("example-oidc", "<id of spireOidcPublisher>", PUBLISHER),
    }
    assert public.grants("google_project") == set()


def test_the_public_buckets_own_url_is_the_issuer(public: Plan) -> None:
    assert public.outputs["publisher_settings"] == {
        "SPIRE_OIDC_PUBLISHER_SINK": "gs://example-oidc",
        "SPIRE_OIDC_PUBLISHER_ISSUER": "https://storage.googleapis.com/example-oidc",
    }


def test_the_private_bucket_cannot_be_made_public(private: Plan) -> None:
    bucket = private["google_storage_bucket.documents"]
    assert bucket["uniform_bucket_level_access"] is True
    assert bucket["public_access_prevention"] == "enforced"
    assert not [
        values
        for values in private.values.values()
        if values.get("member") in {"allUsers", "allAuthenticatedUsers"}
    ]


@pytest.mark.parametrize("example", ["public", "private"])
def test_a_bucket_keeps_no_versions_and_deleted_objects_for_a_week(
    example: str, request: pytest.FixtureRequest
) -> None:
    bucket = request.getfixturevalue(example)["google_storage_bucket.documents"]
    assert bucket["versioning"] == [{"enabled": False}]
    [policy] = bucket["soft_delete_policy"]
    assert policy["retention_duration_seconds"] == 7 * 86400
    assert bucket["force_destroy"] is False


def test_the_publisher_may_do_three_things(public: Plan) -> None:
    role = public["google_project_iam_custom_role.publisher"]
    assert role["permissions"] == ["storage.objects.create", "storage.objects.delete", "storage.objects.get"]


def test_every_account_has_what_it_needs_and_no_more(private: Plan) -> None:
    assert private.grants("google_storage_bucket") == {
        ("example-oidc", READER, FUNCTION),
        ("example-oidc", "<id of spireOidcPublisher>", PUBLISHER),
        ("home-spire-oidc-source", "roles/storage.objectViewer", BUILD),
    }
    assert private.grants("google_project") == {
        ("", "roles/logging.logWriter", BUILD),
        ("", "roles/eventarc.eventReceiver", EVENTS),
        ("", "roles/pubsub.publisher", UNKNOWN),  # the agent's address is asked for during the apply
    }
    assert private.grants("google_artifact_registry_repository") == {
        ("<name of it>", "roles/artifactregistry.writer", BUILD)
    }
    assert private.grants("google_cloud_run_v2_service") == {
        ("spire-oidc-validate", "roles/run.invoker", EVENTS)
    }
    assert private.grants("google_secret_manager_secret") == {
        ("status-token", "roles/secretmanager.secretAccessor", FUNCTION)
    }


def test_serve_is_for_everybody_and_validate_for_eventarc(private: Plan) -> None:
    serve, validate = private["service.serve"], private["service.validate"]
    assert (serve["invoker_iam_disabled"], serve["ingress"]) == (True, "INGRESS_TRAFFIC_ALL")
    assert (validate["invoker_iam_disabled"], validate["ingress"]) == (False, "INGRESS_TRAFFIC_INTERNAL_ONLY")
    assert serve["build_config"][0]["function_target"] == "serve"
    assert validate["build_config"][0]["function_target"] == "validate"
    for service in (serve, validate):
        assert service["template"][0]["service_account"] == FUNCTION.removeprefix("serviceAccount:")
        assert service["deletion_protection"] is True


def test_serve_has_one_warm_instance_and_a_lid(private: Plan) -> None:
    assert private["service.serve"]["template"][0]["scaling"] == [
        {"min_instance_count": 1, "max_instance_count": 4}
    ]


def _environment(service: Mapping[str, Any]) -> dict[str, Any]:
    listed = service["template"][0]["containers"][0]["env"]
    return {entry["name"]: entry["value"] or entry["value_source"] for entry in listed}


def test_both_services_are_told_the_same_but_the_token(private: Plan) -> None:
    told = {
        "FUNCTION_USE_ASGI": "true",
        "SPIRE_OIDC_PUBLISHER_ISSUER": URL,
        "SPIRE_OIDC_PUBLISHER_SINK": "gs://example-oidc",
        "SPIRE_OIDC_PUBLISHER_TRUST_DOMAIN": "example.org",
    }
    # Not `latest`: the Scheduler job goes on sending the version of the apply.
    token = [{"secret_key_ref": [{"secret": "status-token", "version": "<newest version>"}]}]
    assert _environment(private["service.validate"]) == told
    assert _environment(private["service.serve"]) == {**told, "SPIRE_OIDC_PUBLISHER_STATUS_TOKEN": token}


def test_the_publisher_is_told_what_the_function_is(private: Plan) -> None:
    assert private.outputs["issuer"] == URL
    assert private.outputs["publisher_settings"] == {
        "SPIRE_OIDC_PUBLISHER_BUCKET_URL": URL,
        "SPIRE_OIDC_PUBLISHER_ISSUER": URL,
        "SPIRE_OIDC_PUBLISHER_SINK": "gs://example-oidc",
        "SPIRE_OIDC_PUBLISHER_TRUST_DOMAIN": "example.org",
    }


@pytest.mark.parametrize("event", ["finalized", "deleted"])
def test_a_trigger_of_one_event_type_leads_to_validate(private: Plan, event: str) -> None:
    trigger = private[f'google_eventarc_trigger.bucket["{event}"]']
    assert {(found["attribute"], found["value"]) for found in trigger["matching_criteria"]} == {
        ("type", f"google.cloud.storage.object.v1.{event}"),
        ("bucket", "example-oidc"),
    }
    assert trigger["destination"][0]["cloud_run_service"][0]["service"] == "spire-oidc-validate"
    assert trigger["service_account"] == EVENTS.removeprefix("serviceAccount:")


def test_the_scheduler_asks_for_the_status_with_the_token(private: Plan) -> None:
    [target] = private["google_cloud_scheduler_job.status"]["http_target"]
    assert target["uri"] == "<uri of spire-oidc>/status"
    assert target["headers"] == {"Authorization": "Bearer <secret_data of it>"}


def test_the_alert_counts_good_answers_of_that_job(private: Plan) -> None:
    metric = private["google_logging_metric.status_good"]
    assert 'resource.labels.job_id="spire-oidc-status"' in metric["filter"]
    assert metric["name"] == "spire_oidc_status_good"
    policy = private["google_monitoring_alert_policy.status"]
    [condition] = policy["conditions"][0]["condition_prometheus_query_language"]
    assert "logging_googleapis_com:user_spire_oidc_status_good{" in condition["query"]
    assert "[10m]" in condition["query"]
    assert condition["duration"] == "600s"


def test_the_other_alert_is_on_errors_of_both_services(private: Plan) -> None:
    policy = private["google_monitoring_alert_policy.errors"]
    [condition] = policy["conditions"][0]["condition_matched_log"]
    assert '("spire-oidc" OR "spire-oidc-validate")' in condition["filter"]
    assert policy["alert_strategy"][0]["notification_rate_limit"] == [{"period": "3600s"}]


def test_only_lines_of_our_own_raise_the_alert(private: Plan) -> None:
    policy = private["google_monitoring_alert_policy.errors"]
    [condition] = policy["conditions"][0]["condition_matched_log"]
    # Cloud Run's request log says ERROR of each 503, and has no member of ours.
    [member] = re.findall(r"jsonPayload\.(\w+):\*", condition["filter"])
    record = logging.LogRecord("publisher.function", logging.ERROR, "", 0, "refused", None, None)
    assert json.loads(JsonFormatter().format(record))[member] == "publisher.function"
    assert 'log_id("run.googleapis.com/stderr")' in condition["filter"]


def test_both_alerts_go_to_the_channel(private: Plan) -> None:
    assert private["google_monitoring_notification_channel.email[0]"]["labels"] == {
        "email_address": "ops@example.org"
    }
    for policy in ("status", "errors"):
        channels = private[f"google_monitoring_alert_policy.{policy}"]["notification_channels"]
        assert channels == ["<name of it>"]


def test_without_token_and_address_there_is_neither(workspace: Workspace) -> None:
    plan = workspace.plan("private-bucket-with-function", PRIVATE)
    assert "SPIRE_OIDC_PUBLISHER_STATUS_TOKEN" not in _environment(plan["service.serve"])
    assert not plan["google_cloud_scheduler_job.status"]["http_target"][0]["headers"]
    assert not plan["google_monitoring_alert_policy.status"]["notification_channels"]
    assert not plan.grants("google_secret_manager_secret")


def test_an_issuer_of_ones_own_counts_before_the_services_url(workspace: Workspace) -> None:
    plan = workspace.plan("private-bucket-with-function", {**PRIVATE, "issuer": "https://oidc.example.org"})
    assert plan.outputs["issuer"] == "https://oidc.example.org"
    assert _environment(plan["service.serve"])["SPIRE_OIDC_PUBLISHER_ISSUER"] == "https://oidc.example.org"


@pytest.mark.parametrize(
    ("example", "variables", "said"),
    [
        pytest.param(
            "public-bucket", {**PUBLIC, "bucket": "oidc.example.org"}, "without dots", id="dotted-bucket"
        ),
        pytest.param(
            "private-bucket-with-function",
            {**PRIVATE, "issuer": "http://oidc.example.org"},
            "An https URL",
            id="http",
        ),
    ],
)
def test_a_bad_value_is_refused_with_the_remedy(
    workspace: Workspace, example: str, variables: Mapping[str, str], said: str
) -> None:
    with pytest.raises(RefusedError, match=said):
        workspace.plan(example, variables)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        pytest.param(
            "serve.tf", "invoker_iam_disabled =", "invoker_disabled =", "Unsupported argument", id="misspelt"
        ),
        pytest.param("serve.tf", '"10s"', "[10]", "string required", id="wrong-type"),
        pytest.param("alarm.tf", "serve.uri", "serve.url", "Unsupported attribute", id="unknown-attribute"),
        pytest.param(
            "validate.tf", "matching_criteria {", "matching {", "Unsupported block type", id="unknown-block"
        ),
    ],
)
def test_terraform_would_notice(tmp_path: Path, file: str, old: str, new: str, said: str) -> None:
    with copied(tmp_path / "copy") as workspace:
        path = workspace.folder / "modules" / "function" / file
        path.write_text(path.read_text().replace(old, new))
        with pytest.raises(RefusedError, match=said):
            workspace.plan("private-bucket-with-function", PRIVATE)
