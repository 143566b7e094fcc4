# Cloud Run does nothing between requests, so somebody has to ask: the Scheduler asks /status, which answers 200 when
# fresh or due and 503 when stale or invalid.

data "google_secret_manager_secret_version" "status_token" {
  for_each = toset(var.status_token_secret[*])

  project = var.project
  secret  = each.value
}

resource "google_cloud_scheduler_job" "status" {
  project          = var.project
  region           = var.region
  name             = "${var.name}-status"
  description      = "Asks whether the publication is fresh."
  schedule         = "*/${var.status_every_minutes} * * * *"
  time_zone        = "Etc/UTC"
  attempt_deadline = "30s"

  # No retry: the next question comes soon, and the alert waits for several.
  retry_config {
    retry_count = 0
  }

  http_target {
    http_method = "GET"
    uri         = "${google_cloud_run_v2_service.serve.uri}/status"
    headers = {
      for secret, version in data.google_secret_manager_secret_version.status_token :
      "Authorization" => "Bearer ${version.secret_data}"
    }
  }

  depends_on = [google_project_service.needed]
}

locals {
  # Letters, digits and _ only: PromQL has no other signs in a metric's name.
  good_answers = "${replace(var.name, "-", "_")}_status_good"
  # Two askings, and at least ten minutes: what a log counts arrives late.
  alert_window = max(10, 2 * var.status_every_minutes)
}

# Good answers are counted, not bad ones: whatever ends them (staleness, an outage, a wrong token, a Scheduler job that
# was paused or deleted) ends the count.
resource "google_logging_metric" "status_good" {
  project     = var.project
  name        = local.good_answers
  description = "Good answers of ${local.serve_name}/status to the Scheduler job."
  filter = join(" AND ", [
    "log_id(\"cloudscheduler.googleapis.com/executions\")",
    "resource.type=\"cloud_scheduler_job\"",
    "resource.labels.location=\"${var.region}\"",
    "resource.labels.job_id=\"${google_cloud_scheduler_job.status.name}\"",
    "jsonPayload.\"@type\"=\"type.googleapis.com/google.cloud.scheduler.logging.AttemptFinished\"",
    "severity=INFO",
  ])

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }
}

resource "google_monitoring_alert_policy" "status" {
  project      = var.project
  display_name = "SPIRE OIDC ${local.issuer}: no good status"
  combiner     = "OR"
  severity     = "CRITICAL"

  conditions {
    display_name = "No good answer of /status"

    condition_prometheus_query_language {
      # `or vector(0)`: a metric without a single point is an alarm too, not a silence. That has to last for two more
      # askings, so that a first apply, and one lost answer, alarm nobody.
      query               = "(sum(increase(logging_googleapis_com:user_${google_logging_metric.status_good.name}{monitored_resource=\"cloud_scheduler_job\"}[${local.alert_window}m])) or vector(0)) < 0.5"
      duration            = "${local.alert_window * 60}s"
      evaluation_interval = "60s"
      # A metric that is a minute old is not known everywhere; the policy is made in the same run.
      disable_metric_validation = true
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "Publishing has stopped, the documents are invalid, or nobody can ask. Read ${google_cloud_run_v2_service.serve.uri}/status and docs/runbook.md."
  }

  notification_channels = var.notification_channels
}

# What the function itself calls an error: a tampered bucket, a refused set, a disagreement that lasts.
resource "google_monitoring_alert_policy" "errors" {
  project      = var.project
  display_name = "SPIRE OIDC ${local.issuer}: errors"
  combiner     = "OR"
  severity     = "ERROR"

  conditions {
    display_name = "A log line of severity ERROR"

    condition_matched_log {
      filter = join(" AND ", [
        "resource.type=\"cloud_run_revision\"",
        "resource.labels.location=\"${var.region}\"",
        "resource.labels.service_name=(\"${google_cloud_run_v2_service.serve.name}\" OR \"${google_cloud_run_v2_service.validate.name}\")",
        # Our own lines, which are JSON and name their logger: Cloud Run's request log calls every 503 an error, and a
        # cold instance's first ones are none.
        "log_id(\"run.googleapis.com/stderr\")",
        "jsonPayload.logger:*",
        "severity>=ERROR",
      ])
    }
  }

  alert_strategy {
    auto_close = "86400s"

    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "The log line has a code; docs/findings.md explains it, docs/runbook.md says what to do."
  }

  notification_channels = var.notification_channels
}
