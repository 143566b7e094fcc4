output "email" {
  description = "The service account to run the publisher as."
  value       = google_service_account.publisher.email
}
