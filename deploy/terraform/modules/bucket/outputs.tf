output "name" {
  description = "The bucket's name."
  value       = google_storage_bucket.documents.name
}

output "location" {
  description = "The bucket's location, where Eventarc triggers have to be too."
  value       = google_storage_bucket.documents.location
}

output "sink" {
  description = "SPIRE_OIDC_PUBLISHER_SINK."
  value       = "gs://${google_storage_bucket.documents.name}"
}

output "public_url" {
  description = "The URL under which a public bucket serves its objects: the issuer, if nothing stands in front. null if private."
  value       = var.public ? "https://storage.googleapis.com/${google_storage_bucket.documents.name}" : null
}
