# The bucket is private for good, the function in front of it is the issuer, and it watches the publisher.

module "bucket" {
  source = "../../modules/bucket"

  project  = var.project
  name     = var.bucket
  location = var.region
  public   = false
}

module "publisher" {
  source = "../../modules/publisher"

  project = var.project
  bucket  = module.bucket.name
}

module "function" {
  source = "../../modules/function"

  project             = var.project
  region              = var.region
  bucket              = module.bucket.name
  bucket_location     = module.bucket.location
  trust_domain        = var.trust_domain
  issuer              = var.issuer
  source_archive      = var.source_archive
  status_token_secret = var.status_token_secret

  # One warm instance: nobody's first token check waits for a start, and the last good set outlives a broken bucket.
  min_instances = 1

  notification_channels = google_monitoring_notification_channel.email[*].name
}

resource "google_monitoring_notification_channel" "email" {
  count = var.alert_email == null ? 0 : 1

  project      = var.project
  display_name = "SPIRE OIDC"
  type         = "email"
  labels       = { email_address = var.alert_email }
}
