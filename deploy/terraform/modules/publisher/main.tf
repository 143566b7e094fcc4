# No key is made here: a key in Terraform's state is a key for whoever reads the state.
resource "google_service_account" "publisher" {
  project      = var.project
  account_id   = var.account_id
  display_name = "SPIRE OIDC publisher: writes the documents"
}

# All that publishing takes. Overwriting an object needs delete besides create; reading back needs get; nothing
# is ever listed.
resource "google_project_iam_custom_role" "publisher" {
  project     = var.project
  role_id     = var.role_id
  title       = "SPIRE OIDC publisher"
  description = "Read, write and overwrite objects by their names."
  permissions = [
    "storage.objects.create",
    "storage.objects.delete",
    "storage.objects.get",
  ]
}

# On this bucket alone, although the role belongs to the project.
resource "google_storage_bucket_iam_member" "publisher_writes" {
  bucket = var.bucket
  role   = google_project_iam_custom_role.publisher.id
  member = "serviceAccount:${google_service_account.publisher.email}"
}
