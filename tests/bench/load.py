"""Put load on a server: by wrk where it is installed, else by a loop of our own."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

from tests.bench.measure import BenchError

CONNECTIONS = 16
_SLACK = 20.0
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
_LATENCY = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)\s*$", re.MULTILINE)
_REQUESTS = re.compile(r"^\s*(\d+) requests in ", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a client saw: answered requests, all of them good; percentiles of their latency in seconds."""

    requests: int
    p50: float
    p99: float


def tool() -> str:
    return "wrk" if shutil.which("wrk") else "a loop of our own, slower than wrk (wrk is not installed)"


def put_load(port: int, path: str, seconds: int, header: str = "") -> Load:
    """Ask over 16 connections for so many seconds, from the cores of this process.

    `header` is one more field of every request, `Name: value`.

    Raises BenchError if an answer was no 200.
    """
    url = f"http://127.0.0.1:{port}{path}"
    wrk = shutil.which("wrk")
    words = (
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        "--latency",
        *(("-H", header) if header else ()),
        url,
    )
    ours = (sys.executable, "-m", "tests.bench.load", str(port), path, str(seconds), header)
    done = subprocess.run(
        (wrk, *words) if wrk else ours, capture_output=True, text=True, timeout=seconds + _SLACK, check=False
    )
    if done.returncode:
        raise BenchError(f"{url}: {(done.stderr or done.stdout)[-500:]}")
    if not wrk:
        return Load(**json.loads(done.stdout))
    requests, latencies = _REQUESTS.search(done.stdout), _LATENCY.findall(done.stdout)
    if requests is None or len(latencies) != 2 or "Non-2xx" in done.stdout:
        raise BenchError(f"{url}: {done.stdout[-500:]}")
    p50, p99 = (float(number) * _SECONDS[unit] for _, number, unit in latencies)
    return Load(requests=int(requests[1]), p50=p50, p99=p99)


async def _loop(port: int, path: str, seconds: int, header: str) -> Load:
    latencies: list[float] = []
    end = time.monotonic() + seconds
    more = f"{header}\r\n" if header else ""
    asked = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{more}\r\n".encode()

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (began := time.monotonic()) < end:
            writer.write(asked)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 200 "), head
            await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
            latencies.append(time.monotonic() - began)
        writer.close()

    await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))
    latencies.sort()
    count = len(latencies)
    return Load(requests=count, p50=latencies[count // 2], p99=latencies[count * 99 // 100])


if __name__ == "__main__":
    _port, _path, _seconds, _header = sys.argv[1:]
    print(json.dumps(asdict(asyncio.run(_loop(int(_port), _path, int(_seconds), _header)))))
