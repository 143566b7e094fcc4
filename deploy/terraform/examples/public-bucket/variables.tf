variable "project" {
  type        = string
  description = "The project."
}

variable "bucket" {
  type        = string
  description = "The bucket's name; part of the issuer."
}

variable "location" {
  type        = string
  default     = "EU"
  description = "Where the bucket is."
}
