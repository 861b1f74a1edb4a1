"""A map from vectors to page: laid out, asked for what it keeps, given thumbnails, written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.core.files import write_atomic
from capas.core.i18n import say
from capas.core.output_files import check_output, marked_output
from capas.data.tabular.write import OutputColumn, default_csv_format, table_output, write_table
from capas.representation.map.map_columns import MapColumn, colour_number, map_columns
from capas.representation.map.methods import Method, default_method, lay_out
from capas.representation.map.page import MARK, MapPage, map_page_html
from capas.representation.map.quality import MapQuality, map_qualities
from capas.representation.map.sprites import Sprites, make_sprites
from capas.representation.vectors import Vectors, refuse_without_direction

MAP_PAGE: Final = marked_output((".html", ".htm"), MARK)
MAP_TABLE: Final = table_output(("name", "x", "y"))
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class RepresentationMap:
    """Vectors laid out in two dimensions.

    Attributes:
        vectors: The vectors and their items.
        method: How they were laid out.
        seed: With which seed.
        positions: Shape (N, 2), between -1 and 1.
        quality: What the map keeps of the neighbourhoods; None with fewer than three items.
        pca_quality: What PCA keeps; None where the map is PCA.
        columns: What stands beside the items.
        colour: The number of the column to colour by; -1 for none.
    """

    vectors: Vectors
    method: Method
    seed: int
    positions: NDArray[np.float32]
    quality: MapQuality | None
    pca_quality: MapQuality | None
    columns: Sequence[MapColumn]
    colour: int

    def as_json(self) -> dict[str, object]:
        """Return the facts as ``--json`` prints them."""
        return {
            "items": len(self.vectors), "dimensions": self.vectors.matrix.shape[1],
            "encoder": self.vectors.manifest.encoder, "method": self.method, "seed": self.seed,
            "colour": self.columns[self.colour].name if self.colour >= 0 else None,
            "quality": None if self.quality is None else self.quality.as_json(),
            "pca": None if self.pca_quality is None else self.pca_quality.as_json(),
        }  # fmt: skip


def make_map(
    vectors: Vectors, *, method: Method | None = None, colour: str | None = None, seed: int = 0,
    progress: Progress = lambda stage, done, total: None,
) -> RepresentationMap:  # fmt: skip
    """Lay vectors out, and measure what that keeps.

    Args:
        vectors: The vectors.
        method: How; chosen by their number if None.
        colour: The column to colour by; the classes, or the first that fits, if None.
        seed: Seed of all that is random.
        progress: Called with (stage, done, total).

    Raises:
        CapasError: ``map_too_few``, ``map_all_alike``, ``vectors_not_finite``, ``vectors_without_direction``,
            ``map_no_such_column``, ``map_colour_text`` or ``extra_missing``.
    """
    columns = map_columns(vectors)
    number = colour_number(vectors, columns, colour)  # a misspelt name is told before minutes of work
    refuse_without_direction(vectors.matrix, vectors.items, vectors.where)
    chosen = method or default_method(len(vectors))
    matrix = vectors.normalised()
    positions = lay_out(matrix, chosen, seed=seed, progress=lambda done, total: progress("map", done, total))
    maps = [positions] if chosen == "pca" else [positions, lay_out(matrix, "pca", seed=seed)]
    qualities = map_qualities(matrix, maps, seed=seed, progress=lambda d, t: progress("map_quality", d, t))
    return RepresentationMap(
        vectors=vectors, method=chosen, seed=seed, positions=positions, columns=columns, colour=number,
        quality=qualities[0] if qualities else None, pca_quality=qualities[1] if len(qualities) > 1 else None,
    )  # fmt: skip


def write_map_page(
    path: Path, found: RepresentationMap, *, progress: Progress = lambda stage, done, total: None
) -> Sprites:
    """Write the page of a map, and return the thumbnails that are in it. Raises CapasError ``cannot_write`` or
    ``disk_full``.
    """
    vectors = found.vectors
    sprites = make_sprites(vectors, seed=found.seed, progress=lambda d, t: progress("map_thumbnails", d, t))
    data = vectors.manifest.data
    page = MapPage(
        title=data if data.startswith("sample:") else Path(data or vectors.where).name,
        medium=vectors.manifest.medium, encoder=vectors.manifest.encoder, method=say(f"map.methods.{found.method}"),
        names=[item.name for item in vectors.items], positions=found.positions, columns=found.columns,
        colour=found.colour, sprites=sprites,
        qualities=[one for one in (found.quality, found.pca_quality) if one is not None],
    )  # fmt: skip
    write_atomic(path, map_page_html(page))
    return sprites


def write_map_table(path: Path, found: RepresentationMap) -> None:
    """Write name, x, y, and the columns of every item as a table.

    Raises:
        CapasError: Those of ``write_table``.
    """
    vectors = found.vectors
    x, y = found.positions.T.tolist()
    columns = [
        OutputColumn(name="name", cells=[item.name for item in vectors.items]),
        OutputColumn(name="x", cells=x, decimals=6), OutputColumn(name="y", cells=y, decimals=6),
        *(OutputColumn(name=name, cells=vectors.column(name)) for name in vectors.columns),
    ]  # fmt: skip
    write_table(path, columns, default_csv_format())


def check_page_path(path: Path) -> None:
    """Refuse a path to which no page can be written, before minutes of work; an earlier map may be replaced.

    Raises:
        CapasError: Those of ``check_output``.
    """
    check_output(path, MAP_PAGE, "-o")
