"""``capas embed``: the vectors of a dataset."""

from pathlib import Path

from rich.text import Text

from capas.cli import show
from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.engine.encoders.encoder import Encoder, Truncates
from capas.representation.api import open_encoder_and_data
from capas.representation.data_items import DataItems
from capas.representation.embed import embed_to, finished_vectors
from capas.representation.vectors import Precision, Vectors


def open_both(
    words: list[str], encoder: str | None, column: str | None, sheet: str | None
) -> tuple[Encoder, DataItems]:
    """Return encoder and data of "[NETWORK] DATA"; the network that ``--network`` names, or chosen by the data."""
    *named, data = words
    if len(named) > 1 or (named and encoder is not None):
        raise CapasError("embed_words", where=" ".join(words), received=len(words))
    return open_encoder_and_data(data, named[0] if named else encoder, column=column, sheet=sheet)


def embed(
    words: list[str], out: str, *, encoder: str | None, precision: Precision, column: str | None, sheet: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Write the vectors of a dataset and say what was written."""
    opened, items = open_both(words, encoder, column, sheet)
    done = 0

    with show.stages(quiet=as_json) as stages:

        def progress(now: int, total: int) -> None:
            nonlocal done
            done = now
            stages("embed", now, total)

        try:
            there = finished_vectors(out, opened, items, precision)
            vectors = embed_to(out, opened, items, precision=precision, progress=progress) if there is None else there
        except KeyboardInterrupt:
            show.notes().print(say("embed.stopped", done=show.whole(done), total=show.whole(len(items))))
            raise
    if as_json:
        show.print_json(as_tree(vectors, out, computed=there is None))
        return
    _print(vectors, out, opened, computed=there is None)


def as_tree(vectors: Vectors, out: str | Path, *, computed: bool) -> dict[str, object]:
    """Return what ``capas embed --json`` prints."""
    manifest = vectors.manifest
    return {
        "vectors": str(out), "count": len(vectors), "dimensions": manifest.dimensions, "precision": manifest.precision,
        "encoder": manifest.encoder, "fingerprint": manifest.fingerprint, "data": manifest.data,
        "data_hash": manifest.data_hash, "computed": computed, "medium": manifest.medium, "columns": vectors.columns,
        "failed": [{"input": name, "reason": reason} for name, reason in manifest.failed.items()],
    }  # fmt: skip


def _print(vectors: Vectors, out: str, encoder: Encoder, *, computed: bool) -> None:
    manifest, screen = vectors.manifest, show.results()
    size = f"{show.format_decimal(vectors.matrix.nbytes / 1e6, 1)} MB"
    if not computed:
        screen.print(say("embed.there"), soft_wrap=True)
    written = "embed.written_one" if len(vectors) == 1 else "embed.written"
    screen.print(say(written, n=show.whole(len(vectors)), dimensions=show.whole(manifest.dimensions), size=size,
                     encoder=manifest.encoder, path=out), soft_wrap=True)  # fmt: skip
    if manifest.failed:
        name, reason = next(iter(manifest.failed.items()))
        total = show.whole(manifest.examples)
        line = say("embed.failed", n=show.whole(len(manifest.failed)), total=total, name=name, reason=reason)
        screen.print(Text(f"! {line}", "yellow"), soft_wrap=True)
    if isinstance(encoder, Truncates) and encoder.truncated:
        screen.print(Text(f"· {say('embed.truncated', n=show.whole(encoder.truncated))}", "dim"), soft_wrap=True)
    follow = say("embed.next", map=show.command("map", out), index=show.command("index", out, "-o", f"{out}-index"))
    screen.print(Text(follow, show.ACCENT), soft_wrap=True)
