# Source in, image out. Cloud Build runs as an account of its own, so that the account that serves cannot change
# what is served.

resource "google_storage_bucket" "source" {
  project  = var.project
  name     = "${var.project}-${var.name}-source"
  location = var.region

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true # made again from the checkout

  soft_delete_policy {
    retention_duration_seconds = 0
  }
}

resource "google_storage_bucket_object" "source" {
  bucket = google_storage_bucket.source.name
  # The content is in the name: other source is another object, and so another build.
  name   = "function-${filesha256(var.source_archive)}.zip"
  source = var.source_archive
}

resource "google_artifact_registry_repository" "images" {
  project       = var.project
  location      = var.region
  repository_id = var.name
  format        = "DOCKER"
  description   = "Images of the SPIRE OIDC function."

  depends_on = [google_project_service.needed]
}

resource "google_service_account" "build" {
  project      = var.project
  account_id   = "${var.name}-build"
  display_name = "SPIRE OIDC function: builds the image"

  depends_on = [google_project_service.needed]
}

# Not roles/run.builder: for the whole project, it would read every bucket and write every image.
resource "google_artifact_registry_repository_iam_member" "build_writes_images" {
  project    = var.project
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.writer"
  member     = "serviceAccount:${google_service_account.build.email}"
}

resource "google_project_iam_member" "build_logs" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = "serviceAccount:${google_service_account.build.email}"
}

resource "google_storage_bucket_iam_member" "build_reads_source" {
  bucket = google_storage_bucket.source.name
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${google_service_account.build.email}"
}

locals {
  image_path      = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.repository_id}"
  source_location = "gs://${google_storage_bucket.source.name}/${google_storage_bucket_object.source.name}"
}
