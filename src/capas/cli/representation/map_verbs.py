"""``capas map``: a page on which what is similar lies side by side."""

import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from capas.cli import show
from capas.cli.representation.embed_verbs import open_both
from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_metric, format_percent
from capas.core.output_files import check_output
from capas.data.tabular.write import check_table_suffix
from capas.representation.embed import embed_to
from capas.representation.map.make_map import (
    MAP_TABLE,
    RepresentationMap,
    check_page_path,
    make_map,
    write_map_page,
    write_map_table,
)
from capas.representation.map.methods import MIN_NEIGHBOUR_POINTS, default_method, parse_method
from capas.representation.map.sprites import Sprites
from capas.representation.vector_files import holds_vectors, open_vectors
from capas.representation.vectors import Vectors


def draw_map(
    words: Sequence[str], *, network: str | None, method: str | None, colour: str | None, out: str, open_page: bool,
    csv: str | None, column: str | None, sheet: str | None, seed: int, as_json: bool,
) -> None:  # fmt: skip
    """Lay out vectors, or data whose vectors are computed first, write the page, and say how far it can be believed.

    Raises CapasError: those of ``make_map``, ``write_map_page``, ``open_vectors`` and ``embed_to``.
    """
    chosen = None if method is None else parse_method(method)
    page = Path(out)
    check_page_path(page)
    if csv is not None:
        check_table_suffix(Path(csv))
        check_output(Path(csv), MAP_TABLE, "--csv")
    stopped = say("map.stopped")
    # Vectors that were not asked for are not kept: they are in a folder of their own until the page is written.
    with tempfile.TemporaryDirectory(prefix="capas-map-") as scratch, show.stages(quiet=as_json) as stages:
        try:
            if holds_vectors(words[-1]):
                vectors = open_vectors(words[-1])
                _check_encoder(vectors, network or (words[0] if len(words) > 1 else None))
            else:
                command = show.command("embed", *words, *(["--network", network] if network else []), "-o", "vectors")
                stopped = say("map.stopped_embedding", command=command)
                encoder, items = open_both(list(words), network, column, sheet)
                vectors = embed_to(Path(scratch) / "vectors", encoder, items,
                                   progress=lambda done, total: stages("embed", done, total))  # fmt: skip
                stopped = say("map.stopped")
            found = make_map(vectors, method=chosen, colour=colour, seed=seed, progress=stages)
            sprites = write_map_page(page, found, progress=stages)
            if csv is not None:
                write_map_table(Path(csv), found)
        except KeyboardInterrupt:
            show.notes().print(Text(stopped), soft_wrap=True)
            raise
        _tell(found, sprites, page, csv, as_json)
    if open_page:
        webbrowser.open(page.absolute().as_uri())


def _check_encoder(vectors: Vectors, wanted: str | None) -> None:
    """Raise CapasError ``vectors_of_other_encoder`` where a network is named that did not make these vectors."""
    made_by = vectors.manifest.encoder
    if wanted is not None and wanted != made_by:
        raise CapasError("vectors_of_other_encoder", where=vectors.where, received=made_by or "?",
                         expected_encoder=wanted)  # fmt: skip


def _tell(found: RepresentationMap, sprites: Sprites, page: Path, csv: str | None, as_json: bool) -> None:
    if as_json:
        failed = [{"input": name, "reason": reason} for name, reason in found.vectors.manifest.failed.items()]
        show.print_json(
            {"page": str(page), "csv": csv, **found.as_json(), "thumbnails": len(sprites), "failed": failed}
        )
        return
    screen = show.results()
    screen.print(Text(_written(found, page)), soft_wrap=True)
    if csv is not None:
        screen.print(Text(say("map.written_csv", path=csv)), soft_wrap=True)
    for line in belief_lines(found):
        screen.print(Text(line), soft_wrap=True)
    for line in _notes(found.vectors, sprites):
        screen.print(Text(f"! {line}", "yellow"), soft_wrap=True)
    if (
        found.method == "pca"
        and default_method(len(found.vectors)) == "pca"
        and len(found.vectors) >= MIN_NEIGHBOUR_POINTS
    ):
        screen.print(Text(say("map.better"), "dim"), soft_wrap=True)


def _written(found: RepresentationMap, page: Path) -> str:
    method = say(f"map.methods.{found.method}")
    if found.colour >= 0:
        method += ", " + say("map.coloured", column=found.columns[found.colour].name)
    return say("map.written", path=page, n=show.whole(len(found.vectors)), method=method)


def belief_lines(found: RepresentationMap) -> list[str]:
    """Return, in words, what the map keeps of the neighbourhoods, beside what PCA keeps."""
    own, beside = found.quality, found.pca_quality
    if own is None:
        return []
    kept = format_metric(own.preserved.as_json())
    chance = format_percent(own.by_chance)
    trust, continuity = (format_decimal(rate.value, 3) for rate in (own.trustworthiness, own.continuity))
    if beside is None:
        lines = [
            say("map.kept_pca", k=own.neighbours, kept=kept, chance=chance),
            say("map.measures_pca", trust=trust, continuity=continuity), say("map.caution_pca"),
        ]  # fmt: skip
    else:
        lines = [
            say("map.kept", k=own.neighbours, kept=kept, pca=format_metric(beside.preserved.as_json()), chance=chance),
            say("map.measures", trust=trust, continuity=continuity,
                trust_pca=format_decimal(beside.trustworthiness.value, 3),
                continuity_pca=format_decimal(beside.continuity.value, 3)),
            say("map.caution"),
        ]  # fmt: skip
    if own.asked < own.points:
        lines.insert(2, say("map.asked", asked=show.whole(own.asked), points=show.whole(own.points)))
    return lines


def _notes(vectors: Vectors, sprites: Sprites) -> list[str]:
    manifest, notes = vectors.manifest, []
    if manifest.medium in ("image", "audio") and not len(sprites):
        notes.append(say("map.no_pictures", data=manifest.data))
    elif manifest.medium in ("image", "audio") and len(sprites) < len(vectors):
        notes.append(say("map.some_pictures", n=show.whole(len(sprites)), all=show.whole(len(vectors))))
    if manifest.failed:
        name, reason = next(iter(manifest.failed.items()))
        notes.append(say("map.failed", n=show.whole(len(manifest.failed)), total=show.whole(manifest.examples),
                         name=name, reason=reason))  # fmt: skip
    return notes
