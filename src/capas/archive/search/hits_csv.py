"""Search hits as CSV."""

import io

from capas.archive.search.search import SearchResults
from capas.core.inert_text import InertWriter

COLUMNS = ("probability", "unit", "page", "file", "frame", "line", "words", "text", "left", "top", "right", "bottom")


def search_hits_csv(findings: SearchResults) -> bytes:
    """Return one row per hit: probability, position (frames and lines from 1), words, the line's text, bounding box in
    pixels.

    UTF-8 with a byte order mark, for spreadsheets.
    """
    stream = io.StringIO(newline="")
    writer = InertWriter(stream, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in findings.hits:
        outline = [point for place in one.words for point in place.outline]
        xs, ys = [x for x, _ in outline], [y for _, y in outline]
        writer.writerow([
            f"{one.probability:.6f}", one.page.unit, one.page.label, one.page.source, one.page.frame + 1,
            "" if one.line is None else one.line + 1, " ".join(place.word for place in one.words), one.text,
            round(min(xs)), round(min(ys)), round(max(xs)), round(max(ys)),
        ])  # fmt: skip
    return stream.getvalue().encode("utf-8-sig")
