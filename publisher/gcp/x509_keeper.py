"""Keep the X.509-SVID in a folder fresh: hold the agent's stream, and write what it brings."""

from collections.abc import Callable

import grpc

from publisher.errors import PublisherError, SourceUnavailableError
from publisher.gcp.identity_choice import Choice
from publisher.gcp.keeping import Kept
from publisher.gcp.protocol import workload_svids_pb2
from publisher.gcp.svid_folder import SvidFolder
from publisher.gcp.workload_svids import FETCH_X509_SVID, refused
from publisher.gcp.x509_svid import X509Svid, read_x509_svid
from publisher.ports import Clock, Deadline, Stop
from publisher.sources.bell import Bell
from publisher.sources.grpc_call import METADATA, Peer, StatusError, connected, open_channel, translated
from publisher.sources.news import Attempts, Pauses, StoppedError, Told
from publisher.sources.retry import retry

PATIENCE = 10.0
"""Seconds within which a new stream must bring its first answer."""

SETTLED = 60.0
"""Seconds after which a stream makes good for the failures before it."""

_PAUSES = Pauses(first=0.1, longest=15.0)
_WRITE_PAUSES = Pauses(first=1.0, longest=15.0)
_DIAGNOSIS = 1.0


class X509Keeper:
    """Keep one X.509-SVID. The agent pushes: it renews at half of the life, and tells of new authorities."""

    def __init__(self, peer: Peer, choice: Choice, folder: SvidFolder, clock: Clock) -> None:
        self.kept = Kept("X.509-SVID")
        self._peer, self._choice, self._folder, self._clock = peer, choice, folder, clock
        self._latest: X509Svid | None = None

    def once(self, deadline: Deadline) -> X509Svid:
        """Fetch and write one, retrying within the deadline what may pass.

        Raises:
            SourceError: no X.509-SVID.
            BundleError: something that is not the Workload API answers.
            SinkError: it was not written.

        """
        svid = retry(self._fetch, deadline)
        self._put(svid)
        return svid

    def follow(self, changed: Callable[[], None], bell: Bell, stop: Stop) -> None:
        """Hold the stream until the stop, and ring the bell for each SVID; failures are logged and mended."""
        attempts, told = Attempts(stop), Told()
        failures = 0
        while True:
            with open_channel(self._peer, PATIENCE, streams=True) as channel:
                stream = _Stream(channel, self._peer, self._choice)

                def brought(svid: X509Svid | PublisherError) -> None:
                    if isinstance(svid, PublisherError):
                        told.away(svid)
                        self.kept.failed(svid)
                        changed()
                    else:
                        told.back()
                        self._latest = svid
                        bell.ring()

                try:
                    error = attempts.make(
                        lambda stream=stream, brought=brought: stream.follow(brought),  # type: ignore[misc]
                        (PATIENCE, stream.end_if_silent),
                        (SETTLED, stream.settle),
                    )
                except StoppedError:
                    stream.end()
                    return
            failures = 1 if stream.has_settled else failures + 1
            told.away(error)
            self.kept.failed(error)
            changed()
            if stop.wait(_PAUSES.after(failures, error)):
                return

    def write(self, changed: Callable[[], None], bell: Bell, stop: Stop) -> None:
        """Write whenever the bell rings, the newest only; again and again while the folder refuses."""
        told, failures, pause = Told(), 0, 3600.0
        while not stop.is_set():
            bell.wait(pause)
            svid = self._latest
            if svid is None or stop.is_set():
                continue
            try:
                self._put(svid)
            except PublisherError as error:
                failures += 1
                pause = _WRITE_PAUSES.after(failures, error)
                told.away(error)
                self.kept.failed(error)
            else:
                failures, pause = 0, 3600.0
                told.back()
            changed()

    def _put(self, svid: X509Svid) -> None:
        self._folder.write_x509(svid)
        self.kept.well(svid.spiffe_id, svid.expires_at.timestamp())

    def _fetch(self, deadline: Deadline) -> X509Svid:
        request = workload_svids_pb2.X509SVIDRequest()
        with connected(self._peer, deadline) as connection:
            try:
                data = connection.first_of_stream(FETCH_X509_SVID, request)
            except StatusError as status:
                raise refused(self._peer, status, self._choice) from status
        return read_x509_svid(data, self._choice, where=self._peer.where)


class _Stream:
    """Follow one stream of X.509-SVIDs."""

    def __init__(self, channel: grpc.Channel, peer: Peer, choice: Choice) -> None:
        self.has_settled = False
        self._has_answered = self._was_silent = False
        self._peer, self._choice = peer, choice
        self._call = channel.unary_stream(FETCH_X509_SVID, bytes, bytes)(
            workload_svids_pb2.X509SVIDRequest().SerializeToString(), metadata=METADATA
        )

    def end(self) -> None:
        """End the stream; whoever follows it is woken."""
        self._call.cancel()  # type: ignore[no-untyped-call]

    def end_if_silent(self) -> None:
        """End it unless there was an answer."""
        if not self._has_answered:
            self._was_silent = True
            self.end()

    def settle(self) -> None:
        """Note that it has lasted."""
        self.has_settled = True

    def follow(self, brought: Callable[[X509Svid | PublisherError], None]) -> PublisherError:
        """Hand over each SVID, or why a message has none, until the stream ends, and give the reason."""
        try:
            for message in self._call:
                self._has_answered = True
                brought(self._read(bytes(message)))
        except grpc.RpcError as error:
            return self._why(error)
        return SourceUnavailableError(
            self._peer.where, "has ended its stream", f"look at the log of {self._peer.program}"
        )

    def _read(self, message: bytes) -> X509Svid | PublisherError:
        try:
            return read_x509_svid(message, self._choice, where=self._peer.where)
        except PublisherError as error:
            return error

    def _why(self, error: grpc.RpcError) -> PublisherError:
        if self._was_silent:
            return SourceUnavailableError(
                self._peer.where,
                "is silent: it accepts connections and does not answer",
                f"look at the log of {self._peer.program}, restart it",
            )
        reason = translated(self._peer, error, _DIAGNOSIS)
        return refused(self._peer, reason, self._choice) if isinstance(reason, StatusError) else reason
