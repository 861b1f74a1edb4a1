"""The verbs of representation as functions: each takes what its command takes and returns values."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.engine.encoders.encoder import Encoder
from capas.representation.data_items import DataItems, open_data_items
from capas.representation.embed import embed_to
from capas.representation.encoders import open_encoder
from capas.representation.index.cell_building import cells_needed, update_cells
from capas.representation.index.cells import faiss_available
from capas.representation.index.indexing import IndexedData, index_data, index_vectors
from capas.representation.index.queries import open_query
from capas.representation.index.search import SimilarItems, SimilarityIndex
from capas.representation.map.make_map import RepresentationMap, make_map, write_map_page
from capas.representation.map.methods import parse_method
from capas.representation.pretrained import default_encoder_name
from capas.representation.vector_files import holds_vectors, open_vectors
from capas.representation.vectors import Precision, Vectors
from capas.representation.verify import ComparedPair, OperatingPoint, open_verifier


def open_encoder_and_data(
    data: str, network: str | None, *, column: str | None = None, sheet: str | None = None
) -> tuple[Encoder, DataItems]:
    """Open ``data`` and the encoder for it: the one that is named, or that of its medium.

    Raises CapasError as ``open_encoder``, ``open_data_items`` and ``default_encoder_name``.
    """
    if network is None:
        items = open_data_items(data, column=column, sheet=sheet)
        return open_encoder(default_encoder_name(items.medium)), items
    encoder = open_encoder(network)
    medium = encoder.media[0] if len(encoder.media) == 1 else None
    return encoder, open_data_items(data, column=column, medium=medium, sheet=sheet)


def embed(
    data: str | Path, out: str | Path, *, network: str | Path | None = None, precision: Precision = "float32",
    column: str | None = None,
) -> Vectors:  # fmt: skip
    """Write the vectors of a dataset, and return them memory-mapped.

    Args:
        data: A folder, a table or ``sample:NAME``; labels are not needed.
        out: A folder, or a file ``.parquet``.
        network: A run, a pretrained network, or ``hf:NAME``; chosen by the data if None.
        precision: Type of the numbers.
        column: The column of a table that holds the texts.

    Raises:
        CapasError: Those of ``embed_to``.

    >>> vectors = embed("sample:shapes", Path(tempfile.mkdtemp()) / "vectors", network="pixels")
    >>> vectors.matrix.shape, vectors.items[0].columns
    ((600, 1024), {'class': 'circle'})
    """
    encoder, items = open_encoder_and_data(str(data), None if network is None else str(network), column=column)
    return embed_to(out, encoder, items, precision=precision)


def map(
    data: str | Path | Vectors, out: str | Path | None = None, *, network: str | Path | None = None,
    method: str | None = None, colour: str | None = None, seed: int = 0,
) -> RepresentationMap:  # fmt: skip
    """Lay a dataset or its vectors out in two dimensions, and write the page where ``out`` is given.

    Args:
        data: Vectors, where they lie, or data to embed first.
        out: The page.
        network: As for ``embed``.
        method: "pca", "tsne" or "umap"; chosen by the number of items if None.
        colour: The column to colour by.
        seed: Seed of all that is random.

    Raises:
        CapasError: Those of ``make_map``.

    >>> found = map("sample:shapes", network="pixels", method="pca")
    >>> found.positions.shape, found.method
    ((600, 2), 'pca')
    """
    with tempfile.TemporaryDirectory(prefix="capas-map-") as scratch:
        found = make_map(
            _vectors(data, Path(scratch) / "vectors", network), colour=colour, seed=seed,
            method=None if method is None else parse_method(method),
        )  # fmt: skip
        if out is not None:
            write_map_page(Path(out), found)
        return found


def index(data: str | Path | Vectors, out: str | Path, *, network: str | Path | None = None) -> IndexedData:
    """Add a dataset or its vectors to the index ``out``, which is made where there is none.

    Raises CapasError as ``index_data`` and ``index_vectors``.

    >>> folder = Path(tempfile.mkdtemp()) / "index"
    >>> index("sample:shapes", folder, network="pixels").items.added
    600
    >>> similar(folder, "shapes/00007", k=3).items[0][0].found.item.columns
    {'class': 'circle'}
    """
    if isinstance(data, Vectors) or (network is None and holds_vectors(data)):
        done = index_vectors(data if isinstance(data, Vectors) else open_vectors(data), out)
    else:
        done = index_data(*open_encoder_and_data(str(data), None if network is None else str(network)), out)
    if faiss_available() and cells_needed(SimilarityIndex(out).snapshot):
        update_cells(out, lambda now, total: None)
    return done


def similar(
    index: str | Path, query: str | Path | NDArray[np.floating], *, k: int = 10,
    where: Mapping[str, str | Sequence[str]] | None = None, text: str | None = None,
) -> SimilarItems:  # fmt: skip
    """Return the items of an index that are most similar.

    Args:
        index: The index.
        query: A file, the name of an item, a text, or vectors (Q, D) of the network that made the index.
        k: How many.
        where: Only items whose columns have one of these values.
        text: Words instead of ``query``, for an encoder that reads texts too.

    Raises:
        CapasError: Those of ``open_query`` and ``SimilarityIndex.search``.
    """
    opened = SimilarityIndex(index)
    conditions = {
        name: frozenset([values] if isinstance(values, str) else values) for name, values in (where or {}).items()
    }
    if isinstance(query, np.ndarray):
        return opened.search(np.atleast_2d(query), k=k, where=conditions)
    asked = open_query(opened, str(query), text=text)
    own = () if asked.found is None else (asked.found.row,)
    return opened.search(asked.vector[None], k=k, where=conditions, without=own)


def same(
    run: str | Path, first: object, second: object, *, prior: float = 0.5, cost_false_match: float = 1.0,
    cost_false_non_match: float = 1.0,
) -> ComparedPair:  # fmt: skip
    """Return whether two examples are of the same identity, and how probable it is.

    Args:
        run: A run or bundle of ``--task verify``.
        first: A path, or an array uint8 (H, W) or (H, W, C) where the model takes pictures.
        second: The other one.
        prior: Probability of the same before looking, in (0, 1).
        cost_false_match: What it costs to take different ones for the same, > 0.
        cost_false_non_match: What it costs to take the same for different, > 0.

    Raises:
        CapasError: ``not_a_verifier``, ``same_number``, and those of ``load_model`` and of reading the files.
    """
    point = OperatingPoint(prior=prior, cost_false_match=cost_false_match, cost_false_non_match=cost_false_non_match)
    return open_verifier(run, point).compare(first, second)


def _vectors(data: str | Path | Vectors, scratch: Path, network: str | Path | None) -> Vectors:
    if isinstance(data, Vectors):
        return data
    if holds_vectors(data):
        if network is not None:
            raise CapasError("vectors_of_other_encoder", where=data, received="?", expected_encoder=str(network))
        return open_vectors(data)
    return embed(data, scratch, network=network)
