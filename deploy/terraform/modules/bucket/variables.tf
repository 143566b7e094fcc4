variable "project" {
  type        = string
  description = "The project that owns the bucket."
}

variable "name" {
  type        = string
  description = "The bucket's name, unique in the world. It is part of the issuer when the bucket is public; an issuer cannot be renamed."

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$", var.name))
    error_message = "3 to 63 lower-case letters, digits, - and _, without dots: a dot breaks TLS for BUCKET.storage.googleapis.com."
  }
}

variable "location" {
  type        = string
  description = "A region (europe-west1), dual-region or multi-region (EU). It cannot be changed later."
}

variable "public" {
  type        = bool
  description = "true: everybody may read every object, by its name. false: nobody can ever make the bucket public."
}

variable "soft_delete_days" {
  type        = number
  default     = 7
  description = "How long Cloud Storage keeps what was overwritten or deleted: 7, the shortest it knows, to 90, or 0 for not at all. The manifest is rewritten at every run, so each day here is a day of manifests to store."

  validation {
    condition     = var.soft_delete_days == 0 || (var.soft_delete_days >= 7 && var.soft_delete_days <= 90)
    error_message = "Cloud Storage takes 0, or 7 to 90 days."
  }
}

variable "labels" {
  type        = map(string)
  default     = {}
  description = "Labels for the bucket."
}
