"""What `gcp metadata-server` does: serve, answer signals, tell systemd."""

import logging
import os
import signal

from publisher.cli.signals import Signals
from publisher.errors import ExitStatus
from publisher.gcp.metadata_server.identities_file import read_identities
from publisher.gcp.metadata_server.privileges import allow_files, check_many_identities
from publisher.gcp.metadata_server.server import MetadataServer
from publisher.sd_notify import Notifier
from publisher.settings.gcp import GcpReader
from publisher.settings.gcp_options.metadata_server_settings import ManyIdentities, MetadataServerSettings
from publisher.wiring.clock import SystemClock

TURN = 5.0
"""The most seconds of one turn of the main thread."""

LONGEST_TURN = 15.0
"""Seconds since the server's thread turned last from which on it counts as stuck."""

_LOG = logging.getLogger(__name__)


def work(reader: GcpReader) -> ExitStatus:
    """Serve until a signal.

    Raises:
        UsageError: a bad value on the command line.
        SettingsError: a bad value, a bad file, an address that cannot be had, a missing privilege.
        SourceSettingsError: a socket that is none.

    """
    settings = MetadataServerSettings.read(reader)
    clock = SystemClock()
    allow_files()
    server = MetadataServer(
        provider=settings.provider,
        endpoints=settings.endpoints,
        machine=settings.machine,
        listen=settings.listen,
        timeout=settings.timeout,
        clock=clock,
    )
    identity = settings.identity
    try:
        if isinstance(identity, ManyIdentities):
            identities = read_identities(identity.identities)
            check_many_identities()
            server.serve_many(
                admin_socket=identity.admin_socket, audience=settings.audience, identities=identities
            )
            how = f"{len(identities)} identities, each process as itself"
        else:
            server.serve_one(
                workload_api=identity.workload_api,
                choice=identity.choice,
                audience=settings.audience,
                service_account=identity.service_account,
            )
            how = f"everybody as {identity.service_account or 'the federated identity'} of this process"
        return _until_told(server, how)
    finally:
        server.close()


def _until_told(server: MetadataServer, how: str) -> ExitStatus:
    notifier = Notifier.from_environment(os.environ)
    host, port = server.listener.address
    line = f"serving metadata at {host}:{port}: {how}"
    seconds = min(TURN, (notifier.watchdog_seconds or 3 * TURN) / 3)
    with Signals() as signals:
        _LOG.info("%s", line)
        notifier.ready(line)
        while True:
            signals.wait(seconds)
            for number in signals.taken():
                if number != signal.SIGHUP:
                    _LOG.info("stopped by %s", signal.Signals(number).name)
                    notifier.stopping()
                    return ExitStatus.DONE
                _LOG.warning("SIGHUP: settings are read at the start only; restart the service for new ones")
            if not server.listener.is_alive:
                _LOG.critical("the server's thread has ended: restart the service")
                return ExitStatus.TEMPORARY
            if server.listener.is_turning(LONGEST_TURN):
                notifier.watchdog()
