"""A headless Chromium, driven by its DevTools protocol over a pair of pipes: no port, no library."""

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
    "--disable-dev-shm-usage", "--disable-extensions", "--no-proxy-server", "--password-store=basic",
    "--remote-debugging-pipe",
)  # fmt: skip
START_SECONDS = 60.0
CALL_SECONDS = 30.0


class Chromium:
    """Hold one browser with one page and an empty profile; leaving the context ends all its processes."""

    def __init__(self, program: str) -> None:
        self._profile = tempfile.mkdtemp(prefix="chromium-", dir="/tmp")
        (to_read, self._write), (self._read, to_write) = os.pipe(), os.pipe()
        shell = f'exec "$@" 3<&{to_read} 4>&{to_write}'  # the protocol is spoken on descriptors 3 and 4
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "bash", program, *FLAGS, f"--user-data-dir={self._profile}"],
            pass_fds=(to_read, to_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "HOME": self._profile, "XDG_CONFIG_HOME": self._profile},
        )
        os.close(to_read)
        os.close(to_write)
        self._received = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        try:
            target = self.call("Target.createTarget", _seconds=START_SECONDS, url="about:blank")["targetId"]
            attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
            self._session = attached["sessionId"]
            for domain in ("Page", "Network", "Log", "Runtime", "Audits"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)  # its own session: the browser and all its children
        self._process.wait(10)
        os.close(self._read)
        os.close(self._write)
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, *, _seconds: float = CALL_SECONDS, **params: Any) -> dict[str, Any]:
        """Send one command and wait for its answer; events that come meanwhile are kept in `events`."""
        self._number += 1
        command: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._write, json.dumps(command).encode() + b"\0")
        end = time.monotonic() + _seconds
        while (message := self._receive(end)).get("id") != self._number:
            self.events.append(message)
        assert "error" not in message, f"{method}: {message['error']}"
        result: dict[str, Any] = message["result"]
        return result

    def open(self, url: str, *, width: int, height: int, scheme: str = "light") -> None:
        """Load a page in a window of that size, light or dark, and wait until it is drawn."""
        self.events.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Page.navigate", url=url)
        end = time.monotonic() + CALL_SECONDS
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive(end))
        # Two frames later everything is laid out, and what was blocked has been reported.
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def evaluate(self, expression: str) -> Any:
        """Evaluate JavaScript from outside the page, which its policy does not govern."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """Write the whole page, also what is below the window, as PNG."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """Give every log entry, console message, exception and reported issue since the page was opened."""
        wanted = {
            "Log.entryAdded",
            "Runtime.consoleAPICalled",
            "Runtime.exceptionThrown",
            "Audits.issueAdded",
        }
        return [json.dumps(event["params"]) for event in self.events if event.get("method") in wanted]

    def requests(self) -> list[str]:
        """Give the address of every request since the page was opened, `data:` ones left out."""
        sent = (event for event in self.events if event.get("method") == "Network.requestWillBeSent")
        urls = (str(event["params"]["request"]["url"]) for event in sent)
        return [url for url in urls if not url.startswith("data:")]

    def _receive(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._read], [], [], max(end - time.monotonic(), 0))
            assert ready, "Chromium did not answer in time"
            part = os.read(self._read, 1 << 16)
            assert part, f"Chromium ended with status {self._process.poll()}"
            self._received += part
        line, self._received = self._received.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        return message
