resource "google_storage_bucket" "documents" {
  project  = var.project
  name     = var.name
  location = var.location
  labels   = var.labels

  # No access lists: what IAM says on the bucket is all there is.
  uniform_bucket_level_access = true
  public_access_prevention    = var.public ? "inherited" : "enforced"

  # A bucket that still holds documents is still believed by relying parties: empty it by hand first.
  force_destroy = false

  # Off, and said so: with versions each run would leave a manifest behind for ever, and an overwritten object
  # would be archived, of which the watchman hears nothing, instead of deleted.
  versioning {
    enabled = false
  }

  soft_delete_policy {
    retention_duration_seconds = var.soft_delete_days * 24 * 60 * 60
  }
}

# May get objects and cannot list them, unlike roles/storage.objectViewer.
resource "google_storage_bucket_iam_member" "everybody_reads" {
  count = var.public ? 1 : 0

  bucket = google_storage_bucket.documents.name
  role   = "roles/storage.legacyObjectReader"
  member = "allUsers"
}
