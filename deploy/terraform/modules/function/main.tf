data "google_project" "this" {
  project_id = var.project
}

locals {
  serve_name    = var.name
  validate_name = "${var.name}-validate"

  # Cloud Run's second form of a service's URL, made of nothing but names: known before the service is there.
  own_url = "https://${local.serve_name}-${data.google_project.this.number}.${var.region}.run.app"
  issuer  = coalesce(var.issuer, local.own_url)

  base_image = coalesce(
    var.base_image, "${var.region}-docker.pkg.dev/serverless-runtimes/google-22/runtimes/python313"
  )

  environment = merge(
    { for name, value in var.settings : "SPIRE_OIDC_PUBLISHER_${name}" => value },
    {
      SPIRE_OIDC_PUBLISHER_SINK         = "gs://${var.bucket}"
      SPIRE_OIDC_PUBLISHER_ISSUER       = local.issuer
      SPIRE_OIDC_PUBLISHER_TRUST_DOMAIN = var.trust_domain
      # The base image starts functions-framework by itself; this is how it hears of the async targets.
      FUNCTION_USE_ASGI = "true"
    },
  )
}

resource "google_project_service" "needed" {
  for_each = toset(var.enable_apis ? [
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudscheduler.googleapis.com",
    "eventarc.googleapis.com",
    "iam.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "storage.googleapis.com",
  ] : [])

  project            = var.project
  service            = each.value
  disable_on_destroy = false
}

# The one account that both services run as: it reads objects by their names, and nothing else anywhere.
resource "google_service_account" "function" {
  project      = var.project
  account_id   = "${var.name}-function"
  display_name = "SPIRE OIDC function: reads the documents"

  depends_on = [google_project_service.needed]
}

resource "google_storage_bucket_iam_member" "function_reads" {
  bucket = var.bucket
  role   = "roles/storage.legacyObjectReader"
  member = "serviceAccount:${google_service_account.function.email}"
}
