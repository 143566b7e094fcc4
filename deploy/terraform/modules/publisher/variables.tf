variable "project" {
  type        = string
  description = "The project that owns the account and the role."
}

variable "bucket" {
  type        = string
  description = "The bucket that the publisher writes to."
}

variable "account_id" {
  type        = string
  default     = "spire-oidc-publisher"
  description = "The name of the service account, 6 to 30 characters."
}

variable "role_id" {
  type        = string
  default     = "spireOidcPublisher"
  description = "The name of the custom role. A second publisher in the project needs a second name; a deleted name is blocked for weeks."
}
