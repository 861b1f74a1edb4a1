"""Which line of a page is which after its lines were found or exported anew: by place, never by id or number.

Programs number the lines of a page from one again with every export, so that an id says nothing. A line is the same
where its baseline lies where the other's did.
"""

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
from jaxtyping import Float
from rapidfuzz.distance import Levenshtein

from capas.page_formats.layout.line_images import line_extents
from capas.page_formats.page import Line, Points

SAMPLES: Final = 17  # points along a baseline
TOLERANCE: Final = 1 / 3  # of the height of the lower line: a neighbouring baseline lies a whole height away
MAX_DIFFERENCE: Final = 0.5  # edits per character of the longer text


def match_lines(former: Sequence[Line], present: Sequence[Line], page_height: int) -> dict[int, int]:
    """Return former index → present index of the lines whose places are the same.

    Two lines match where each is the other's nearest, and their baselines lie on average within a third of a line's
    height of one another, measured from each to the other, so that half a line is not the whole.

    Args:
        former: Lines of the page, in pixels of the page.
        present: Other lines of the same page, in the same pixels.
        page_height: Height of the page in pixels; it stands in for the spacing of a single line.
    """
    if not former or not present:
        return {}
    heights_F, heights_P = (
        np.array([extent.height for extent in line_extents(lines, page_height)]) for lines in (former, present)
    )
    sampled_F, sampled_P = ([_sampled(line.baseline) for line in lines] for lines in (former, present))
    distance_FP = np.array([[max(_mean_distance(f, p), _mean_distance(p, f)) for p in sampled_P] for f in sampled_F])
    allowed_FP = TOLERANCE * np.minimum(heights_F[:, None], heights_P[None, :])
    nearest_F, nearest_P = distance_FP.argmin(1), distance_FP.argmin(0)
    return {
        f: int(p)
        for f, p in enumerate(nearest_F)
        if nearest_P[p] == f and distance_FP[f, p] <= allowed_FP[f, p]
    }  # fmt: skip


def says_the_same(line: Line, said: Collection[str], page: Sequence[Line]) -> bool:
    """Return whether ``line``, found at the place of a reviewed line, has that line's text.

    An export of a page that was laid out anew can put another line there. The texts of the reviewed line are ``said``;
    the line has one of them, but for half of the characters, and no other line of the ``page`` comes nearer. A line
    without a text is not contradicted.
    """
    if not line.text or not said:
        return True
    own = _text_difference(line.text, said)
    return own <= MAX_DIFFERENCE and all(own <= _text_difference(other.text, said) for other in page)


def _text_difference(text: str, said: Collection[str]) -> float:
    return min(Levenshtein.normalized_distance(text, one) for one in said)


def _sampled(points: Points) -> Float[np.ndarray, "S 2"]:
    """Points at equal distances along a polyline."""
    line = np.asarray(points, dtype=np.float64)
    along = np.concatenate([[0.0], np.hypot(*np.diff(line, axis=0).T).cumsum()])
    at = np.linspace(0.0, along[-1], SAMPLES)
    return np.stack([np.interp(at, along, line[:, 0]), np.interp(at, along, line[:, 1])], axis=1)


def _mean_distance(points_S2: Float[np.ndarray, "S 2"], others_S2: Float[np.ndarray, "S 2"]) -> float:
    """The mean distance of points to the polyline through the others."""
    start, step = others_S2[:-1], np.diff(others_S2, axis=0)
    length = np.maximum((step**2).sum(1), 1e-12)
    share = np.clip(((points_S2[:, None] - start) * step).sum(2) / length, 0.0, 1.0)
    nearest = start + share[..., None] * step
    return float(np.hypot(*(points_S2[:, None] - nearest).transpose(2, 0, 1)).min(1).mean())
