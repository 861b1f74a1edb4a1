"""Laying vectors out in two dimensions: PCA, t-SNE and UMAP, seeded, with progress.

- PCA: the plane along which the vectors differ most; scikit-learn.
- t-SNE: van der Maaten & Hinton, "Visualizing Data using t-SNE", JMLR 2008; openTSNE (Poličar, Stražar & Zupan 2019),
  with interpolation (Linderman et al. 2019) above 10,000 points. It starts from PCA, which keeps more of the
  large-scale arrangement than a random start (Kobak & Berens 2019).
- UMAP: McInnes, Healy & Melville, arXiv:1802.03426; umap-learn.

The figures by which these were chosen are in docs/adr/0020-maps.md. Vectors are of length one, so that Euclidean
neighbours are those of the largest cosine.

Shapes: N points, D dimensions.
"""

import importlib
import importlib.util
import io
import warnings
from collections.abc import Callable
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from capas.core.device import physical_cores
from capas.core.errors import CapasError

Method = Literal["pca", "tsne", "umap"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)
Progress = Callable[[int, int], None]
MIN_POINTS: Final = 3
MIN_NEIGHBOUR_POINTS: Final = 10  # of t-SNE and UMAP: with fewer there is no neighbourhood to speak of
TSNE_UP_TO: Final = 30_000  # points that are laid out by t-SNE unless asked otherwise
PERPLEXITY: Final = 30
UMAP_NEIGHBOURS: Final = 15
EXAGGERATED_STEPS, STEPS = 250, 500  # of t-SNE, as its authors and openTSNE have them
_PACKAGES: Final[dict[Method, str]] = {"tsne": "openTSNE", "umap": "umap"}


def default_method(points: int) -> Method:
    """Return the method for so many points: t-SNE; of more than 30,000 UMAP, which takes a tenth of the time and keeps
    less; PCA without the extra "search", and of fewer than ten points.
    """
    preferred: tuple[Method, ...] = ("tsne", "umap") if points <= TSNE_UP_TO else ("umap", "tsne")
    if points < MIN_NEIGHBOUR_POINTS:
        return "pca"
    return next((method for method in preferred if _installed(_PACKAGES[method])), "pca")


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def parse_method(name: str) -> Method:
    """Return the method of that name. Raises CapasError ``map_method_unknown``."""
    for method in METHODS:
        if method == name.casefold():
            return method
    raise CapasError("map_method_unknown", where="--method", received=name, known=", ".join(METHODS))


def lay_out(
    vectors: NDArray[np.float32], method: Method, *, seed: int = 0, progress: Progress = lambda done, total: None
) -> NDArray[np.float32]:
    """Return the positions (N, 2) of vectors (N, D) of length one, between -1 and 1 about the middle.

    Args:
        vectors: The vectors.
        method: How; the same seed gives the same positions on the same machine.
        seed: Seed of all that is random.
        progress: Called with (done, total) steps.

    Raises:
        CapasError: ``map_too_few``, ``map_all_alike``, or ``extra_missing`` (extra "search").
    """
    least = MIN_POINTS if method == "pca" else MIN_NEIGHBOUR_POINTS
    if len(vectors) < least:
        raise CapasError("map_too_few", received=len(vectors), least=least, method=method)
    if np.ptp(vectors, axis=0).max() < 1e-6:
        raise CapasError("map_all_alike", received=len(vectors))
    plane = principal_plane(vectors, seed)
    if method == "pca":
        return _centred(plane)
    with warnings.catch_warnings():
        # Of a threads setting that the seed overrides, of what only UMAP's other kinds need, of points far from all.
        warnings.simplefilter("ignore")
        try:
            package = importlib.import_module(_PACKAGES[method])
        except ImportError as error:
            raise CapasError("extra_missing", where=f"--method {method}", received=_PACKAGES[method],
                             extra="search") from error  # fmt: skip
        drawn = (_tsne if method == "tsne" else _umap)(package, vectors, plane, seed, progress)
    return _centred(drawn)


def principal_plane(vectors: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    """Return the two first principal components (N, 2) of the vectors (N, D)."""
    from sklearn.decomposition import PCA

    count = min(2, vectors.shape[1])
    plane = PCA(count, random_state=seed).fit_transform(vectors).astype(np.float64)
    return np.pad(plane, ((0, 0), (0, 2 - count)))


def _tsne(
    package: Any, vectors: NDArray[np.float32], plane: NDArray[np.float64], seed: int, progress: Progress
) -> NDArray[np.float64]:
    done = 0

    def report(iteration: int, error: float, embedding: object) -> None:
        nonlocal done
        done = max(done, iteration + (EXAGGERATED_STEPS if done >= EXAGGERATED_STEPS else 0))
        progress(done, EXAGGERATED_STEPS + STEPS)

    progress(0, EXAGGERATED_STEPS + STEPS)
    # Neighbours among 3 × perplexity points are asked for, which there must be.
    perplexity = min(PERPLEXITY, max(2.0, (len(vectors) - 1) / 3))
    learner = package.TSNE(
        perplexity=perplexity, metric="euclidean", early_exaggeration_iter=EXAGGERATED_STEPS, n_iter=STEPS,
        n_jobs=physical_cores(), random_state=seed, callbacks=[report], callbacks_every_iters=10,
    )  # fmt: skip
    # "The scale of the first coordinate is set to 0.0001" (Kobak & Berens 2019): larger starts do not converge.
    start = plane / max(float(plane[:, 0].std()), 1e-12) * 1e-4
    return np.asarray(learner.fit(vectors, initialization=start), np.float64)


class _Counts(io.StringIO):
    """What tqdm writes its counts to; passes them on."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def write(self, text: str) -> int:
        done, _, total = text.strip().partition("/")
        if done.isdecimal() and total.isdecimal():
            self._progress(int(done), int(total))
        return len(text)


def _umap(
    package: Any, vectors: NDArray[np.float32], plane: NDArray[np.float64], seed: int, progress: Progress
) -> NDArray[np.float64]:
    bar = {"disable": False, "file": _Counts(progress), "bar_format": "{n_fmt}/{total_fmt}", "mininterval": 0.5}
    # With a seed it computes on one thread; its own spectral start fails on small or unconnected sets.
    learner = package.UMAP(
        n_neighbors=min(UMAP_NEIGHBOURS, len(vectors) - 1), metric="euclidean", random_state=seed, n_jobs=1,
        init=plane / max(float(np.abs(plane).max()), 1e-12) * 10, tqdm_kwds=bar,
    )  # fmt: skip
    return np.asarray(learner.fit_transform(vectors), np.float64)


def _centred(positions: NDArray[np.float64]) -> NDArray[np.float32]:
    middle = (positions.min(axis=0) + positions.max(axis=0)) / 2
    moved = positions - middle
    return np.asarray(moved / max(float(np.abs(moved).max()), 1e-12), np.float32)
