"""What `gcp credential-config` does, and what it says that a workload needs besides the file."""

import logging
import shlex
from collections.abc import Iterator
from pathlib import Path

from publisher.cli.printing import put
from publisher.errors import ExitStatus
from publisher.gcp.config_file import write_config
from publisher.gcp.credential_config import Executable, Way
from publisher.settings.gcp import GcpReader
from publisher.settings.gcp_options.credential_config_settings import PROGRAM, CredentialConfigSettings

_LOG = logging.getLogger(__name__)


def write(reader: GcpReader) -> ExitStatus:
    """Write the configuration and say what else is needed.

    Raises:
        PublisherError: a bad setting, or a file or standard output that was not written.

    """
    settings = CredentialConfigSettings.read(reader)
    body = settings.config.text()
    if settings.write_to is None:
        put(body)
        for line in (*variables(settings, Path("FILE")), *companions(settings)):
            _LOG.info("needed besides: %s", line)
        return ExitStatus.DONE
    write_config(settings.write_to, body)
    lines = [f"export {line}" for line in variables(settings, settings.write_to.absolute())]
    put("".join(f"{line}\n" for line in (*lines, *(f"# {line}" for line in companions(settings)))))
    return ExitStatus.DONE


def variables(settings: CredentialConfigSettings, path: Path) -> Iterator[str]:
    """Give the environment variables of the workload, as a shell takes them."""
    yield f"GOOGLE_APPLICATION_CREDENTIALS={shlex.quote(str(path))}"
    if settings.config.way is Way.EXECUTABLE:
        yield "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1"
    if settings.project_id is not None:
        yield f"GOOGLE_CLOUD_PROJECT={shlex.quote(settings.project_id)}"


def companions(settings: CredentialConfigSettings) -> Iterator[str]:
    """Give what has to run or be there beside the workload, one sentence each."""
    source = settings.config.source
    if settings.project_id is None:
        yield (
            "Google's library for Node, and clients such as Python's storage.Client(), need"
            " GOOGLE_CLOUD_PROJECT: give --project-id"
        )
    if isinstance(source, Executable):
        program = shlex.quote(source.words[0])
        yield f"the workload's user must be able to run {program} and to reach the agent's socket"
        if source.output_file is not None:
            folder = shlex.quote(str(source.output_file.parent))
            yield f"{folder} must be there, and only the workload's user may write in it"
            yield f"no other configuration may have {shlex.quote(str(source.output_file))}"
        return
    words = [PROGRAM, "gcp", "svid-files", "--watch", "--folder", str(source.folder)]
    if source.way is Way.FILE:
        words += ["--svids", "jwt", "--audience", settings.audience]
    else:
        words += ["--svids", "x509"]
    yield f"kept fresh by: {shlex.join(words)}"
    yield "where the workload is another user, add --group, and --seen-at where it sees the folder elsewhere"
