output "issuer" {
  description = "The issuer: jwt_issuer in SPIRE's server.conf, byte for byte."
  value       = local.issuer
}

output "own_url" {
  description = "The service's own URL, as it will be: what a domain of your own has to lead to."
  value       = local.own_url
}

output "status_url" {
  description = "Where a person looks."
  value       = "${google_cloud_run_v2_service.serve.uri}/status"
}

output "service_account" {
  description = "The account that both services run as."
  value       = google_service_account.function.email
}

output "publisher_settings" {
  description = "What the publisher in front of this function's bucket needs in its environment."
  value = merge(
    { for name, value in local.environment : name => value if contains([
      "SPIRE_OIDC_PUBLISHER_AUTHORIZATION_ENDPOINT", "SPIRE_OIDC_PUBLISHER_CONFIGURATION_MAX_AGE",
      "SPIRE_OIDC_PUBLISHER_DUE_AFTER", "SPIRE_OIDC_PUBLISHER_SIGNING_ALGORITHMS",
      "SPIRE_OIDC_PUBLISHER_JWKS_MAX_AGE", "SPIRE_OIDC_PUBLISHER_JWKS_PATH", "SPIRE_OIDC_PUBLISHER_SINK",
      "SPIRE_OIDC_PUBLISHER_ISSUER", "SPIRE_OIDC_PUBLISHER_STALE_AFTER", "SPIRE_OIDC_PUBLISHER_TRUST_DOMAIN",
    ], name) },
    { SPIRE_OIDC_PUBLISHER_BUCKET_URL = local.issuer },
  )
}
