# The bucket is the issuer. The shortest way, where public buckets are allowed.

module "bucket" {
  source = "../../modules/bucket"

  project  = var.project
  name     = var.bucket
  location = var.location
  public   = true
}

module "publisher" {
  source = "../../modules/publisher"

  project = var.project
  bucket  = module.bucket.name
}
