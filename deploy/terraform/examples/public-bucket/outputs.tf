output "publisher_account" {
  description = "Run the publisher as this account."
  value       = module.publisher.email
}

output "publisher_settings" {
  description = "The publisher's environment. The issuer is jwt_issuer in SPIRE's server.conf too."
  value = {
    SPIRE_OIDC_PUBLISHER_SINK   = module.bucket.sink
    SPIRE_OIDC_PUBLISHER_ISSUER = module.bucket.public_url
  }
}
