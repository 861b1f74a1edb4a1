"""Reviews follow their place on the page when its lines were found or exported anew."""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence

from capas.archive.library.line_geometry import line_at
from capas.archive.library.line_matching import match_lines, says_the_same
from capas.page_formats.page import Line


def place_reviews(connection: sqlite3.Connection, page: int, lines: Sequence[Line], page_height: int) -> None:
    """Give each review of a page the id of the line that lies where its line lay, "" where none does or its text is
    another; and each corrected line its last correction as text.

    Args:
        connection: Within a transaction.
        page: Id of the page.
        lines: Its lines as they are now.
        page_height: Its height in pixels.
    """
    texts = defaultdict[str, set[str]](set)
    for place, *said in connection.execute(
        "SELECT place, before, text FROM reviews WHERE page = ? AND place != '' ORDER BY place", (page,)
    ):
        texts[str(place)].update(str(text) for text in said if text)
    followed = match_lines([line_at(place) for place in texts], lines, page_height)
    for index, (place, said) in enumerate(texts.items()):
        same = index in followed and says_the_same(lines[followed[index]], said, lines)
        name = lines[followed[index]].id if same else ""
        connection.execute("UPDATE reviews SET line = ? WHERE page = ? AND place = ?", (name, page, place))
    connection.execute(
        "UPDATE lines SET truth = said.text FROM (SELECT line, text, max(id) FROM reviews"
        " WHERE page = ? AND verdict = 'corrected' AND line != '' GROUP BY line) AS said"
        " WHERE lines.page = ? AND lines.id = said.line",
        (page, page),
    )
