variable "project" {
  type        = string
  description = "The project."
}

variable "region" {
  type        = string
  default     = "europe-west1"
  description = "The region of bucket and function."
}

variable "bucket" {
  type        = string
  description = "The bucket's name."
}

variable "trust_domain" {
  type        = string
  description = "The trust domain, as example.org."
}

variable "issuer" {
  type        = string
  default     = null
  description = "The issuer, if it is a domain of your own; null for the service's own URL."
}

variable "source_archive" {
  type        = string
  default     = "../../../../build/function.zip"
  description = "The zip of what `make function-bundle` stages."
}

variable "status_token_secret" {
  type        = string
  default     = null
  description = "The id of the secret with the bearer token of /status; null leaves it open."
}

variable "alert_email" {
  type        = string
  default     = null
  description = "Who gets the alerts; null for nobody."
}
