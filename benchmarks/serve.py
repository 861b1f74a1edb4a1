"""The archive's server under load: requests per second, latency and memory, with wrk.

An archive of ``sample:manuscripts``, read by the shipped reader. 1, 8, 32 and 200 clients at once ask for 5 seconds,
each without a pause: the style sheet, the search page, a search (``casa*``, 24 hits with their figures) and a snippet
of a page as JPEG. Beside it, in turn and on the same machine, a bare Starlette application on uvicorn that answers with
the same style sheet: what the guard, the limits and the thread of each request cost. wrk (https://github.com/wg/wrk)
runs on the same two cores. Memory: resident, of the server's process, before and after 10,000 searches.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.record import conditions, keep, table

CLIENTS = (1, 8, 32, 200)
SECONDS = 5
REQUESTS = 10_000
SCRIPT = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("FOUND %d %d %.3f %.3f %d\\n", summary.requests, summary.duration,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000, e.connect + e.read + e.write + e.status + e.timeout))
end
"""
BARE = """
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

content = open(sys.argv[1], "rb").read()

async def style(request):
    return Response(content, media_type="text/css")

uvicorn.run(Starlette(routes=[Route("/page.css", style)]), port=int(sys.argv[2]), log_level="error", access_log=False)
"""
STYLE = Path(__file__).parents[1] / "src" / "capas" / "archive" / "web" / "search_page.css"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def served(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server, from its first answer on."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/page.css", timeout=5).read()
                break
            except OSError:
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait()


def asked(address: str, clients: int, script: Path, seconds: float = SECONDS) -> dict[str, float]:
    """What wrk measures."""
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "--timeout", "10s", "-s", str(script), address]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"FOUND (\d+) (\d+) ([\d.]+) ([\d.]+) (\d+)", said)
    assert found is not None, said
    count, microseconds, half, most, errors = map(float, found.groups())
    return {
        "per_second": count / microseconds * 1e6,
        "p50_ms": half,
        "p95_ms": most,
        "errors": errors,
        "requests": count,
    }


def resident_mb(process: subprocess.Popen[bytes]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def main() -> None:
    """Serve, ask, and keep the figures."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt install wrk, or https://github.com/wg/wrk")
    facts = conditions("serve")
    measured: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, script = Path(name) / "archive", Path(name) / "wrk.lua"
        script.write_text(SCRIPT)
        capas = [sys.executable, "-m", "capas.cli.main"]
        for words in (
            ["new", folder],
            ["add", folder, "sample:manuscripts"],
            ["read", folder, "--model", "reader:medieval"],
        ):
            subprocess.run([*capas, "archive", *map(str, words)], check=True, stdout=subprocess.DEVNULL)
        (Path(name) / "bare.py").write_text(BARE)
        port, other = free_port(), free_port()
        bare = [sys.executable, str(Path(name) / "bare.py"), str(STYLE), str(other)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        os.environ.update(environment)
        with (
            served([*capas, "archive", "serve", str(folder), "--port", str(port)], port) as server,
            served(bare, other),
        ):
            base = f"http://127.0.0.1:{port}"
            found = json.load(urllib.request.urlopen(f"{base}/api/search?q=casa*&least=0.01"))
            picture = next(re.finditer(r"/iiif/image/\d+/[^\"]+?default\.jpg", json.dumps(found)))[0]
            kinds: Mapping[str, str] = {
                "style sheet": f"{base}/page.css",
                "style sheet, bare Starlette": f"http://127.0.0.1:{other}/page.css",
                "search page": f"{base}/", "search": f"{base}/api/search?q=casa*&least=0.01", "snippet": base + picture,
            }  # fmt: skip
            for clients in CLIENTS:
                for kind, address in kinds.items():
                    measured[f"{kind}, {clients}"] = one = asked(address, clients, script)
                    print(kind, clients, one, flush=True)
            before, count = resident_mb(server), 0.0
            while count < REQUESTS:
                count += asked(kinds["search"], 8, script, 10)["requests"]
            measured["memory"] = {"before_mb": before, "after_mb": resident_mb(server), "requests": count}
            print(measured["memory"])
    rows = [[kind, *(_cell(measured[f"{kind}, {clients}"]) for clients in CLIENTS)] for kind in kinds]
    memory = measured["memory"]
    assert isinstance(memory, dict)
    text = (__doc__ or "") + "\nRequests per second; milliseconds at the median and at the 95th percentile.\n\n"
    text += table(["asked for", *(f"{clients} at once" for clients in CLIENTS)], rows)
    text += f"\nMemory: {memory['before_mb']:.0f} MB before, {memory['after_mb']:.0f} MB after"
    text += f" {memory['requests']:.0f} searches.\n"
    keep("serve", "The archive's server under load", text, facts, measured)


def _cell(one: object) -> str:
    assert isinstance(one, dict)
    failed = f" ({one['errors']:.0f} failed)" if one["errors"] else ""
    return f"{one['per_second']:.0f}/s; {one['p50_ms']:.1f}, {one['p95_ms']:.1f}{failed}"


if __name__ == "__main__":
    main()
