variable "project" {
  type        = string
  description = "The project of everything here."
}

variable "region" {
  type        = string
  description = "The region of both services and of the Scheduler job. Part of the issuer, unless issuer is set."
}

variable "name" {
  type        = string
  default     = "spire-oidc"
  description = "The name of the serving service, and the beginning of all other names. Part of the issuer, unless issuer is set."

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$", var.name))
    error_message = "A lower-case letter, then up to 19 letters, digits and -: the longest account made of it has 30 characters."
  }
}

variable "bucket" {
  type        = string
  description = "The bucket with the documents."
}

variable "bucket_location" {
  type        = string
  description = "That bucket's location: the Eventarc triggers must be there."
}

variable "source_archive" {
  type        = string
  description = "Path of a zip of the folder that `make function-bundle` stages, with main.py at its top."
}

variable "base_image" {
  type        = string
  default     = null
  description = "The base image to build on and run on; null for Google's Python 3.13 of the region."
}

# What the function is told; see docs/settings.md for their meaning.

variable "issuer" {
  type        = string
  default     = null
  description = "The exact https URL in the iss of the JWT-SVIDs; null for the service's own URL, which is known before it is deployed."

  validation {
    condition     = var.issuer == null || can(regex("^https://[^/?#]+(/[^?#]*)?$", var.issuer))
    error_message = "An https URL without query and fragment, byte for byte the jwt_issuer of SPIRE's server.conf."
  }
}

variable "trust_domain" {
  type        = string
  description = "The trust domain whose keys are served."
}

variable "settings" {
  type        = map(string)
  default     = {}
  description = "Further settings, by the end of their names: { JWKS_MAX_AGE = \"30s\", STALE_POLICY = \"refuse\" }. What is not named has the function's own default."

  validation {
    condition = length(setsubtract(keys(var.settings), [
      "AUTHORIZATION_ENDPOINT", "CONFIGURATION_MAX_AGE", "DUE_AFTER", "JWKS_MAX_AGE", "JWKS_PATH", "REFRESH_INTERVAL",
      "REFUSE_AFTER", "SETTLE_TIME", "SIGNING_ALGORITHMS", "STALE_AFTER", "STALE_POLICY",
    ])) == 0
    error_message = "Only AUTHORIZATION_ENDPOINT, CONFIGURATION_MAX_AGE, DUE_AFTER, JWKS_MAX_AGE, JWKS_PATH, REFRESH_INTERVAL, REFUSE_AFTER, SETTLE_TIME, SIGNING_ALGORITHMS, STALE_AFTER and STALE_POLICY."
  }
}

variable "status_token_secret" {
  type        = string
  default     = null
  description = "The id of a Secret Manager secret of this project whose latest version is the bearer token of /status; null leaves /status open. The value comes into Terraform's state, because the Scheduler job has to send it."
}

# How it runs.

variable "min_instances" {
  type        = number
  default     = 0
  description = "Instances of the serving service that are always warm. With 0, the first reader after a pause waits for a start."
}

variable "max_instances" {
  type        = number
  default     = 4
  description = "The most instances of the serving service: the lid on what a flood can cost."

  validation {
    condition     = var.max_instances >= 1
    error_message = "At least 1."
  }
}

variable "status_every_minutes" {
  type        = number
  default     = 1
  description = "How often the Scheduler job asks for the status. The alert comes after four times as long without one good answer, and after twenty minutes at the least."

  validation {
    condition     = contains([1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30], var.status_every_minutes)
    error_message = "A divisor of 60, so that the pauses are equal."
  }
}

variable "notification_channels" {
  type        = list(string)
  default     = []
  description = "Monitoring notification channels, as projects/PROJECT/notificationChannels/NUMBER. With none, incidents are only seen by who looks at the console."
}

variable "deletion_protection" {
  type        = bool
  default     = true
  description = "Whether Terraform refuses to delete the services. A service that is gone takes the issuer with it."
}

variable "enable_apis" {
  type        = bool
  default     = true
  description = "Whether to enable the Google APIs that are needed. They stay enabled on destroy."
}
