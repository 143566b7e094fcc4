"""The options of `gcp doctor`.

This module imports nothing of weight, so that `--help` is quick.
"""

from publisher.settings.gcp_options.identity import identity_options, workload_api_option
from publisher.settings.option import Kind, Option, Scope
from publisher.settings.options import named

NAME = "doctor"

OPTIONS = (
    Option(
        "credential-config",
        Kind.PATH,
        Scope.RUN,
        (NAME,),
        "The credential configuration of the workload: provider, service account and way are taken from it.",
        absent="GOOGLE_APPLICATION_CREDENTIALS, unless --provider is given",
        metavar="FILE",
    ),
    Option(
        "provider",
        Kind.TEXT,
        Scope.RUN,
        (NAME,),
        "The provider: projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER.",
        absent="that of the credential configuration",
        metavar="NAME",
    ),
    Option(
        "way",
        Kind.CHOICE,
        Scope.RUN,
        (NAME,),
        "How the workload gets its SVID: from the agent by gcp token, or from files of gcp svid-files; x509"
        " without --folder asks the agent.",
        absent="that of the credential configuration, else executable",
        choices=("executable", "file", "x509"),
    ),
    Option(
        "folder",
        Kind.PATH,
        Scope.RUN,
        (NAME,),
        "The folder of gcp svid-files (--way file and x509).",
        absent="none",
        metavar="FOLDER",
    ),
    Option(
        "service-account",
        Kind.TEXT,
        Scope.RUN,
        (NAME,),
        "The service account to impersonate.",
        absent="that of the credential configuration, else none",
        metavar="EMAIL",
    ),
    Option(
        "issuer",
        Kind.TEXT,
        Scope.RUN,
        (NAME,),
        "The issuer that the provider was made with, for where the provider may not be read.",
        absent="as the IAM API shows it, else not compared",
        metavar="URL",
    ),
    Option(
        "audience",
        Kind.TEXT,
        Scope.RUN,
        (NAME,),
        "What the JWT-SVID is asked for, where the provider has allowed audiences.",
        absent="that of the credential configuration, else the provider's default audience",
        metavar="AUDIENCE",
    ),
    Option(
        "call",
        Kind.TEXT,
        Scope.RUN,
        (NAME,),
        "What to ask of an API in the end: gs://BUCKET/OBJECT (its metadata), or project (its id).",
        absent="nothing",
        metavar="WHAT",
    ),
    Option(
        "read-provider",
        Kind.PAIR,
        Scope.RUN,
        (NAME,),
        "Read pool and provider from the IAM API with the Application Default Credentials, if they may.",
        default="true",
    ),
    *identity_options(NAME),
    workload_api_option(NAME),
    named("ca-file"),
    Option(
        "timeout",
        Kind.DURATION,
        Scope.RUN,
        (NAME,),
        "How long the whole walk may take.",
        default="60s",
        metavar="TIME",
        bounds=("5s", "10m"),
    ),
    named("output"),
    named("verbose"),
    named("quiet"),
)
"""Every option of the command, in the order of `--help`."""
