"""The reference of a bundle to its encoder: the weights stay where they are, and their fingerprint is checked."""

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Final

from capas.bundle.size_bound import uncounted
from capas.core.errors import CapasError
from capas.core.files import is_file, is_folder, read_regular, write_atomic
from capas.core.inert_text import inert
from capas.core.spec import Medium
from capas.engine.encoders.hub_encoder import HubEncoder, hub_encoder_of_files, open_hub_encoder

HUB: Final = "hf:"
KIND: Final = "hub"
MAX_CARD: Final = 5_000_000
MAX_FILE: Final = 200_000_000
POOLING: Final = "1_Pooling/config.json"  # of Sentence-Transformers


def absolute_hub_name(name: str) -> str:
    """Return the name of a local folder as an absolute path, and that of a model on the hub as it is."""
    where = Path(name.removeprefix(HUB)).expanduser()
    return f"{HUB}{where.resolve()}" if name.removeprefix(HUB).strip() and is_folder(where) else name


def open_backbone(name: str, medium: Medium, *, fetch: bool = True) -> HubEncoder:
    """Open an encoder for examples of ``medium``; ``fetch`` as for ``open_hub_encoder``.

    Raises:
        CapasError: ``hub_other_medium``, and those of ``open_hub_encoder``.
    """
    encoder = open_hub_encoder(name, fetch=fetch)
    if medium not in encoder.media:
        raise CapasError("hub_other_medium", where=name, received=", ".join(encoder.media), medium=medium)
    return encoder


def reference_to(encoder: HubEncoder) -> dict[str, object]:
    """Return what a bundle keeps of an encoder."""
    return {"kind": KIND, "name": encoder.name, "fingerprint": encoder.fingerprint}


def open_referenced(tree: Mapping[str, object], medium: Medium, where: Path) -> HubEncoder:
    """Open the encoder that the bundle file ``where`` refers to.

    Raises:
        CapasError: ``bundle_incomplete`` where it is no reference, ``hub_backbone_missing`` where the encoder cannot
            be opened, ``hub_backbone_changed`` where it is another one.
    """
    name, fingerprint = tree.get("name"), tree.get("fingerprint")
    if tree.get("kind") != KIND or not isinstance(name, str) or not isinstance(fingerprint, str):
        raise CapasError("bundle_incomplete", where=where, received=", ".join(tree)[:80] or "–")
    try:
        with uncounted():
            # Whoever opens a bundle has not asked for a connection, least of all to where a stranger's bundle points.
            encoder = open_backbone(name, medium, fetch=False)
    except CapasError as error:
        raise CapasError("hub_backbone_missing", where=where, received=name, reason=error.part("what")) from error
    refuse_changed(encoder, fingerprint, where)
    return encoder


def refuse_changed(encoder: HubEncoder, fingerprint: str, where: Path) -> None:
    """Raise CapasError ``hub_backbone_changed`` unless ``fingerprint`` is that of the encoder."""
    if encoder.fingerprint != fingerprint:
        raise CapasError(
            "hub_backbone_changed", where=where, received=encoder.fingerprint[:8], network=encoder.name,
            fingerprint=fingerprint[:8],
        )  # fmt: skip


def files_of(encoder: HubEncoder) -> dict[str, str]:
    """Return the configuration, preprocessing and tokenizer of an encoder: its files but for the weights, in base64 by
    name.
    """
    found = [path for path in sorted(encoder.folder.iterdir()) if path.suffix in (".json", ".txt", ".model")]
    pooling = encoder.folder / POOLING
    names = [path.name for path in found if ".safetensors" not in path.name]
    names += [POOLING] if is_file(pooling) else []
    return {name: b64encode(read_regular(encoder.folder / name, max_bytes=MAX_FILE)).decode() for name in names}


def encoder_of_bundle(tree: Mapping[str, object], where: Path) -> HubEncoder:
    """Return the encoder whose files a bundle holds, for the bundle's weights to be loaded.

    Raises:
        CapasError: ``bundle_incomplete``, and those of ``hub_encoder_of_files``.
    """
    name, files = tree.get("name"), tree.get("files")
    if not isinstance(name, str) or not isinstance(files, dict):
        raise CapasError("bundle_incomplete", where=where, received=", ".join(tree)[:80] or "–")
    with TemporaryDirectory() as folder:
        for file, content in files.items():
            if not isinstance(content, str) or (PurePath(file).name != file and file != POOLING):
                raise CapasError("bundle_incomplete", where=where, received=inert(str(file))[:80])
            try:
                write_atomic(Path(folder) / file, b64decode(content, validate=True))
            except ValueError as error:
                raise CapasError("bundle_incomplete", where=where, received=inert(file)[:80]) from error
        return hub_encoder_of_files(name, Path(folder))


def licence_of(encoder: HubEncoder) -> str:
    """Return the licence that the model's card names in its metadata, "" where it names none."""
    try:
        text = read_regular(encoder.folder / "README.md", max_bytes=MAX_CARD).decode("utf-8", "replace")
    except OSError:
        return ""
    metadata = re.match(r"---\r?\n(.*?)\r?\n---", text, re.DOTALL)
    found = re.search(r"^license:[ \t]*([^\s\[#].*)$", metadata[1], re.MULTILINE) if metadata else None
    return inert(found[1].strip().strip("'\""))[:80] if found else ""
