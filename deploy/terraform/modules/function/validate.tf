# The watchman at the bucket's door. A service of its own: who may call is decided for a whole service, and this one
# answers nobody but Eventarc.
resource "google_cloud_run_v2_service" "validate" {
  project             = var.project
  location            = var.region
  name                = local.validate_name
  description         = "SPIRE OIDC: judges what was written to the bucket"
  ingress             = "INGRESS_TRAFFIC_INTERNAL_ONLY" # Eventarc counts as internal
  deletion_protection = var.deletion_protection

  invoker_iam_disabled = false

  # A plain HTTP target, and the framework's default is one: no FUNCTION_SIGNATURE_TYPE.
  build_config {
    function_target          = "validate"
    source_location          = local.source_location
    image_uri                = "${local.image_path}/${local.validate_name}"
    base_image               = local.base_image
    enable_automatic_updates = true
    service_account          = google_service_account.build.id
  }

  template {
    service_account = google_service_account.function.email
    # It waits out the settle time, at most 9 minutes, before it calls a disagreement an error.
    timeout                          = "600s"
    max_instance_request_concurrency = 80

    scaling {
      min_instance_count = 0
      max_instance_count = 1
    }

    containers {
      image          = "${local.image_path}/${local.validate_name}"
      base_image_uri = local.base_image

      resources {
        limits = {
          cpu    = "1"
          memory = "512Mi"
        }
        cpu_idle = true
      }

      dynamic "env" {
        for_each = local.environment

        content {
          name  = env.key
          value = env.value
        }
      }
    }
  }

  depends_on = [
    google_artifact_registry_repository_iam_member.build_writes_images,
    google_project_iam_member.build_logs,
    google_project_service.needed,
    google_storage_bucket_iam_member.build_reads_source,
    google_storage_bucket_iam_member.function_reads,
  ]
}

# Whom the events are delivered as.
resource "google_service_account" "events" {
  project      = var.project
  account_id   = "${var.name}-events"
  display_name = "SPIRE OIDC function: delivers the bucket's events"

  depends_on = [google_project_service.needed]
}

resource "google_cloud_run_v2_service_iam_member" "events_invoke_validate" {
  project  = var.project
  location = var.region
  name     = google_cloud_run_v2_service.validate.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${google_service_account.events.email}"
}

resource "google_project_iam_member" "events_receive" {
  project = var.project
  role    = "roles/eventarc.eventReceiver"
  member  = "serviceAccount:${google_service_account.events.email}"
}

# Cloud Storage hands its events to Pub/Sub as its own service agent.
data "google_storage_project_service_account" "agent" {
  project = var.project

  depends_on = [google_project_service.needed]
}

resource "google_project_iam_member" "storage_publishes" {
  project = var.project
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${data.google_storage_project_service_account.agent.email_address}"
}

# A trigger takes one type of event. Not `archived`: without object versions nothing is.
resource "google_eventarc_trigger" "bucket" {
  for_each = toset(["finalized", "deleted"])

  project         = var.project
  name            = "${var.name}-${each.value}"
  location        = lower(var.bucket_location) # where the bucket is, which may be a multi-region
  service_account = google_service_account.events.email

  matching_criteria {
    attribute = "type"
    value     = "google.cloud.storage.object.v1.${each.value}"
  }

  matching_criteria {
    attribute = "bucket"
    value     = var.bucket
  }

  destination {
    cloud_run_service {
      service = google_cloud_run_v2_service.validate.name
      region  = var.region
      path    = "/"
    }
  }

  depends_on = [
    google_cloud_run_v2_service_iam_member.events_invoke_validate,
    google_project_iam_member.events_receive,
    google_project_iam_member.storage_publishes,
  ]
}
