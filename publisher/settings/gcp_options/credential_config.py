"""The options of `gcp credential-config`.

This module imports nothing of weight, so that `--help` is quick.
"""

from publisher.settings.gcp_options.identity import identity_options, workload_api_option
from publisher.settings.option import Kind, Option, Scope

NAME = "credential-config"

OPTIONS = (
    Option(
        "provider",
        Kind.TEXT,
        Scope.RUN,
        (NAME,),
        "The provider: projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER.",
        metavar="NAME",
        required_by=(NAME,),
    ),
    Option(
        "way",
        Kind.CHOICE,
        Scope.RUN,
        (NAME,),
        "How Google's libraries get the SVID: they run gcp token, or use the JWT-SVID or the X.509-SVID that"
        " gcp svid-files keeps.",
        default="executable",
        choices=("executable", "file", "x509"),
    ),
    Option(
        "service-account",
        Kind.TEXT,
        Scope.RUN,
        (NAME,),
        "The service account to impersonate.",
        absent="none: the federated token itself",
        metavar="EMAIL",
    ),
    Option(
        "token-lifetime",
        Kind.DURATION,
        Scope.RUN,
        (NAME,),
        "How long its access tokens live; more than 1h must be allowed by the organisation's policy.",
        absent="1h",
        metavar="TIME",
        bounds=("10m", "12h"),
    ),
    Option(
        "write-to",
        Kind.PATH,
        Scope.RUN,
        (NAME,),
        "Where to write the configuration; the variables that a workload needs go to standard output.",
        absent="standard output",
        metavar="FILE",
    ),
    Option(
        "folder",
        Kind.PATH,
        Scope.RUN,
        (NAME,),
        "The folder of gcp svid-files, as the workload sees it (--way file and x509).",
        absent="none",
        metavar="FOLDER",
    ),
    Option(
        "program",
        Kind.PATH,
        Scope.RUN,
        (NAME,),
        "The absolute path of this program where the workload runs (--way executable).",
        absent="that of this one",
        metavar="FILE",
    ),
    Option(
        "output-file",
        Kind.PATH,
        Scope.RUN,
        (NAME,),
        "Where the answers of gcp token are kept between two calls (--way executable), in a folder that only"
        " the workload's user can write. The libraries take what is there for any audience: give a file of"
        " its own for each configuration, or a folder with its final slash, in which it gets one.",
        absent="none: the program is run for every exchange",
        metavar="FILE",
    ),
    Option(
        "executable-timeout",
        Kind.DURATION,
        Scope.RUN,
        (NAME,),
        "How long one call of gcp token may take (--way executable).",
        default="30s",
        metavar="TIME",
        bounds=("5s", "120s"),
    ),
    Option(
        "audience",
        Kind.TEXT,
        Scope.RUN,
        (NAME,),
        "What the JWT-SVID is for, where the provider has allowed audiences (--way executable and file).",
        absent="the provider's default audience",
        metavar="AUDIENCE",
    ),
    *identity_options(NAME),
    workload_api_option(NAME),
    Option(
        "project-id",
        Kind.TEXT,
        Scope.RUN,
        (NAME,),
        "The id of the workload's project, for the variable GOOGLE_CLOUD_PROJECT that is printed beside.",
        absent="none: the libraries look it up, which not all of them can",
        metavar="PROJECT",
    ),
    Option(
        "quota-project",
        Kind.TEXT,
        Scope.RUN,
        (NAME,),
        "The project whose quota the calls count against.",
        absent="none",
        metavar="PROJECT",
    ),
    Option(
        "universe-domain",
        Kind.TEXT,
        Scope.RUN,
        (NAME,),
        "The universe of the APIs.",
        default="googleapis.com",
        metavar="DOMAIN",
    ),
)
