output "issuer" {
  description = "jwt_issuer in SPIRE's server.conf, byte for byte."
  value       = module.function.issuer
}

output "status_url" {
  description = "Where a person looks."
  value       = module.function.status_url
}

output "publisher_account" {
  description = "Run the publisher as this account."
  value       = module.publisher.email
}

output "publisher_settings" {
  description = "The publisher's environment."
  value       = module.function.publisher_settings
}
