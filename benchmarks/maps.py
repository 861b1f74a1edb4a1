"""Maps: seconds, and what PCA, t-SNE and UMAP keep of the neighbourhoods; frames per second of the page.

Vectors: the pixels of Fashion-MNIST where its files are (`capas samples fashion-mnist`) and suffice, else 128 numbers
each in 40 clusters of unequal size, every one on a curved surface of eight dimensions, with noise. Each method as
`capas map` calls it, with one seed. Kept: of the 15 nearest of an item, how many are among its 15 nearest on the map
(2,000 items asked, 95 % interval). The page of the largest map is opened in headless Chromium, which draws by software
here (SwiftShader, no GPU), and zoomed in and out for five seconds; a frame is a call of requestAnimationFrame, of which
there are at most 60 a second. While it is moved, the page draws as many points as the machine can in time. Environment:
CAPAS_MAPS_SIZES sets the numbers of items, CAPAS_MAPS_METHODS the methods.
"""

import json
import os
import re
import resource
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import conditions, keep, table
from capas.core.errors import CapasError
from capas.representation.data_items import open_data_items
from capas.representation.map.make_map import RepresentationMap, make_map, write_map_page
from capas.representation.map.methods import METHODS, parse_method
from capas.representation.vectors import VectorItem, Vectors, VectorsManifest

SIZES = tuple(map(int, os.environ.get("CAPAS_MAPS_SIZES", "10000,100000").split(",")))
CHOSEN = tuple(map(parse_method, os.environ.get("CAPAS_MAPS_METHODS", ",".join(METHODS)).split(",")))
CLUSTERS, LATENT, DIMENSIONS = 40, 8, 128
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ZOOM = """
addEventListener("load", () => setTimeout(() => {
  const canvas = document.getElementById("over"), box = canvas.getBoundingClientRect(), times = [];
  const started = performance.now();
  function frame(now) {
    times.push(now);
    const deltaY = Math.sin((now - started) / 400) > 0 ? -60 : 60;
    canvas.dispatchEvent(
      new WheelEvent("wheel", {deltaY, clientX: box.width / 2, clientY: box.height / 2, bubbles: true}));
    if (now - started < 5000) return requestAnimationFrame(frame);
    const steps = times.slice(1).map((at, i) => at - times[i]).sort((a, b) => a - b);
    fetch("/", {method: "POST", body: JSON.stringify({
      frames_per_second: 1000 * steps.length / (times[times.length - 1] - times[0]),
      p95_ms: steps[Math.floor(0.95 * steps.length)]})});
  }
  requestAnimationFrame(frame);
}, 3000));
"""


def mixture(count: int, seed: int = 0) -> tuple[NDArray[np.float32], list[str]]:
    """Vectors with structure, and the cluster of each."""
    rng = np.random.default_rng(seed)
    of = rng.choice(CLUSTERS, count, p=rng.dirichlet(np.full(CLUSTERS, 2.0)))
    centres = rng.normal(size=(CLUSTERS, DIMENSIONS))
    bases = rng.normal(size=(CLUSTERS, LATENT, DIMENSIONS)) / np.sqrt(LATENT)
    vectors = 0.1 * rng.normal(size=(count, DIMENSIONS))
    for cluster in range(CLUSTERS):
        inside = of == cluster
        flat = rng.normal(size=(int(inside.sum()), LATENT)) @ bases[cluster]
        vectors[inside] += centres[cluster] + 0.6 * flat + 0.3 * np.tanh(2 * flat)
    return vectors.astype(np.float32), [f"cluster {one}" for one in of]


def clothes(count: int) -> tuple[NDArray[np.float32], list[str]] | None:
    """Pixels of so many images of Fashion-MNIST, and their classes; None where there are not so many."""
    try:
        items = open_data_items("sample:fashion-mnist")
    except CapasError:
        return None
    if len(items) < count:
        return None
    drawn = np.random.default_rng(0).choice(len(items), count, replace=False)
    pixels = [np.asarray(items.content(int(i)), np.float32).ravel() for i in drawn]
    return np.stack(pixels), [items.cells(int(i))["class"] for i in drawn]


def vectors_of(count: int) -> tuple[str, Vectors]:
    """Name of the data, and vectors."""
    held = clothes(count)
    matrix, classes = held or mixture(count)
    items = [VectorItem(name=f"item/{i:06d}", index=i, columns={"class": one}) for i, one in enumerate(classes)]
    name = "Fashion-MNIST" if held else "clusters"
    manifest = VectorsManifest(
        encoder="pixels" if held else "made", fingerprint="", data="", data_hash="", medium="table",
        dimensions=matrix.shape[1], precision="float32", examples=count,
    )  # fmt: skip
    return name, Vectors(matrix=matrix, items=items, manifest=manifest, where=name)


@contextmanager
def served(content: bytes) -> Iterator[tuple[int, list[dict[str, float]]]]:
    """A server of one page, with its port and what the page sends back."""
    sent: list[dict[str, float]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 404)
            self.end_headers()
            self.wfile.write(content if self.path == "/" else b"")

        def do_POST(self) -> None:
            sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, sent
    finally:
        server.shutdown()


def frames(page: Path, patience_s: float = 120) -> dict[str, float] | None:
    """Frames per second of a page that is being zoomed; None without a browser. The page's policy is left out of the
    copy that is measured, for it forbids the script that measures.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return None
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    html = html.replace("</body>", f"<script>{ZOOM}</script></body>")
    flags = ["--headless", "--no-sandbox", "--enable-unsafe-swiftshader", "--use-angle=swiftshader"]
    with served(html.encode()) as (port, sent), tempfile.TemporaryDirectory() as profile:
        command = [browser, *flags, "--window-size=1280,800", f"--user-data-dir={profile}", "--remote-debugging-port=0"]
        process = subprocess.Popen([*command, f"http://127.0.0.1:{port}/"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)  # fmt: skip
        end = time.monotonic() + patience_s
        while not sent and time.monotonic() < end:
            time.sleep(0.2)
        process.terminate()
        process.wait()
    return sent[0] if sent else None


def measured_map(vectors: Vectors, method: str) -> tuple[RepresentationMap, dict[str, object]]:
    """A map and the seconds of its stages."""
    at: dict[str, float] = {"map": time.perf_counter()}

    def note(stage: str, done: int, total: int) -> None:
        at.setdefault(stage, time.perf_counter())

    found = make_map(vectors, method=parse_method(method), progress=note)
    end = time.perf_counter()
    measured_from = at["map_quality"]
    quality = found.quality
    assert quality is not None
    return found, {
        "layout_s": round(measured_from - at["map"], 1), "quality_s": round(end - measured_from, 1),
        **quality.as_json(), "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }  # fmt: skip


def main() -> None:
    """Draw the maps, measure them, and keep the figures."""
    facts = conditions("maps")
    measured: dict[str, object] = {}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "map.html"
        for count in SIZES:
            name, vectors = vectors_of(count)
            for method in CHOSEN:
                found, figures = measured_map(vectors, method)
                measured[f"{name}, {count}, {method}"] = figures
                print(name, count, method, figures, flush=True)
                rows.append(_row(name, count, method, figures))
            write_map_page(page, found)
            size_mb = page.stat().st_size / 1e6
        shown = frames(page)
    measured["page"] = {"items": SIZES[-1], "megabytes": round(size_mb, 1), **(shown or {})}
    heads = ("vectors", "items", "method", "layout", "of 15 neighbours kept", "trustworthiness", "continuity")
    text = f"{__doc__}\n{table(heads, rows)}\n\nThe page of {SIZES[-1]:,} items: {size_mb:.1f} MB"
    if shown is not None:
        text += f", {shown['frames_per_second']:.0f} frames/s while zooming"
        text += f" (95th percentile {shown['p95_ms']:.0f} ms a frame)"
    keep("maps", "Maps of a representation", text + ".", facts, measured)


def _row(name: str, count: int, method: str, figures: dict[str, object]) -> list[object]:
    rates = [figures[key] for key in ("preserved", "trustworthiness", "continuity")]
    cells = []
    for rate, digits, factor in zip(rates, (1, 3, 3), (100, 1, 1), strict=True):
        assert isinstance(rate, dict)
        cell = f"{factor * rate['value']:.{digits}f}"
        if "interval" in rate:  # without one where all items were asked
            low, high = rate["interval"]
            cell += f" ({factor * low:.{digits}f}–{factor * high:.{digits}f})"
        cells.append(cell)
    return [name, f"{count:,}", method, f"{figures['layout_s']} s", f"{cells[0]} %", *cells[1:]]


if __name__ == "__main__":
    main()
