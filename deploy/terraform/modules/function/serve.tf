# The issuer: everybody may ask. google_cloudfunctions2_function has no invoker_iam_disabled, and allUsers is what
# domain-restricted sharing forbids.
resource "google_cloud_run_v2_service" "serve" {
  project             = var.project
  location            = var.region
  name                = local.serve_name
  description         = "SPIRE OIDC: serves configuration, JWKS and manifest"
  ingress             = "INGRESS_TRAFFIC_ALL"
  deletion_protection = var.deletion_protection

  invoker_iam_disabled = true

  build_config {
    function_target          = "serve"
    source_location          = local.source_location
    image_uri                = "${local.image_path}/${local.serve_name}"
    base_image               = local.base_image
    enable_automatic_updates = true
    service_account          = google_service_account.build.id
  }

  template {
    service_account                  = google_service_account.function.email
    timeout                          = "10s"
    max_instance_request_concurrency = 80

    scaling {
      min_instance_count = var.min_instances
      max_instance_count = var.max_instances
    }

    containers {
      image          = "${local.image_path}/${local.serve_name}"
      base_image_uri = local.base_image

      resources {
        limits = {
          cpu    = "1"
          memory = "512Mi"
        }
        cpu_idle          = true # no CPU between requests: the function refreshes while one waits
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = local.environment

        content {
          name  = env.key
          value = env.value
        }
      }

      # By reference: the value is in Secret Manager, not in the service's description.
      dynamic "env" {
        for_each = var.status_token_secret[*]

        content {
          name = "SPIRE_OIDC_PUBLISHER_STATUS_TOKEN"

          value_source {
            secret_key_ref {
              secret = env.value
              # The very version that the Scheduler job sends: a newer one is taken by both, at the next apply.
              version = data.google_secret_manager_secret_version.status_token[env.value].version
            }
          }
        }
      }
    }
  }

  lifecycle {
    precondition {
      condition     = var.min_instances <= var.max_instances
      error_message = "min_instances must not be above max_instances."
    }
  }

  depends_on = [
    google_artifact_registry_repository_iam_member.build_writes_images,
    google_project_iam_member.build_logs,
    google_project_service.needed,
    google_secret_manager_secret_iam_member.function_reads_token,
    google_storage_bucket_iam_member.build_reads_source,
    google_storage_bucket_iam_member.function_reads,
  ]
}

resource "google_secret_manager_secret_iam_member" "function_reads_token" {
  for_each = toset(var.status_token_secret[*])

  project   = var.project
  secret_id = each.value
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.function.email}"
}
