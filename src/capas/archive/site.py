"""What the archive's server answers to each address. No address is ever made into a path on disk: pages are asked for
by their number, units by the hash of their name, and the files of the search page stand in a table.
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capas.archive.asked import Answer, Asked, as_json
from capas.archive.iiif_image import Part, image, info
from capas.archive.iiif_search import manifest, search_1, search_2, unit_called
from capas.archive.library import Library
from capas.archive.search_api import found_csv, found_json, keep_correction, keep_verdict
from capas.archive.serve_page import page_html
from capas.archive.snippets import Pictures
from capas.core.errors import CapasError
from capas.core.messages import say

HERE: Final = Path(__file__).parent
UNSEEN: Final = ("page_unreadable", "page_replaced", "page_too_large")
STATUS: Final = {"no_such_page": 404, "no_such_line": 404, "line_changed": 409, "archive_read_only": 403,
                 "page_outdated": 403, "archive_unreadable": 500, "disk_full": 507, "database_busy": 503,
                 **dict.fromkeys(UNSEEN, 404)}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """A library that is served; ``token`` is what a page must hold that changes anything; with ``read_only`` nothing
    is changed at all."""

    library: Library
    pictures: Pictures
    token: str
    read_only: bool = False


Found = Callable[[Site, Asked, re.Match[str]], Answer]


def answer(site: Site, asked: Asked) -> Answer:
    """What is answered: 404 where there is no such address, 405 where it has no such method."""
    methods = [(method, match, found) for method, pattern, found in ROUTES if (match := pattern.fullmatch(asked.path))]
    if not methods:
        return as_json({"error": "not_found"}, status=404)
    for method, match, found in methods:
        if method == asked.method:
            return _answered(site, asked, match, found)
    return as_json({"error": "method_not_allowed"}, status=405)


def _answered(site: Site, asked: Asked, match: re.Match[str], found: Found) -> Answer:
    try:
        if asked.method != "GET":
            _may_change(site, asked)
        return found(site, asked, match)
    except CapasError as error:
        # Where things lie on the server is nobody's business.
        parts = ("what", "expected", "next")
        facts = {"what": say("archive.serve.no_picture")} if error.key in UNSEEN else {n: error.part(n) for n in parts}
        return as_json({"error": error.key, **facts}, status=STATUS.get(error.key, 400))


def _may_change(site: Site, asked: Asked) -> None:
    """Only what comes from a page of this server changes anything: another site's page cannot know the token."""
    if site.read_only:
        raise CapasError("archive_read_only")
    if not hmac.compare_digest(asked.token.encode(), site.token.encode()):
        raise CapasError("page_outdated")


def _start(site: Site, asked: Asked, match: re.Match[str]) -> Answer:
    content = page_html(site.library, token=site.token, read_only=site.read_only)
    return Answer(body=content.encode(), kind="text/html; charset=utf-8")


def _style(site: Site, asked: Asked, match: re.Match[str]) -> Answer:
    return Answer(body=(HERE / "serve_page.css").read_bytes(), kind="text/css; charset=utf-8")


def _script(site: Site, asked: Asked, match: re.Match[str]) -> Answer:
    return Answer(body=(HERE / "serve_page.js").read_bytes(), kind="text/javascript; charset=utf-8")


def _image(site: Site, asked: Asked, match: re.Match[str]) -> Answer:
    page = site.library.page(int(match["page"]))
    return image(page, Part(region=match["region"], size=match["size"]), site.pictures)


def _info(site: Site, asked: Asked, match: re.Match[str]) -> Answer:
    page = site.library.page(int(match["page"]))
    return info(page, f"{asked.base}/iiif/image/{page.id}")


def _manifest(site: Site, asked: Asked, match: re.Match[str]) -> Answer:
    return manifest(site.library, unit_called(site.library, match["unit"]), asked.base)


def _search(site: Site, asked: Asked, match: re.Match[str]) -> Answer:
    unit = unit_called(site.library, match["unit"])
    return (search_2 if match["version"] == "2" else search_1)(site.library, unit, asked)


_UNIT: Final = r"/iiif/unit/(?P<unit>[0-9a-f]{16})"
_PAGE: Final = r"/iiif/image/(?P<page>[0-9]{1,18})"
ROUTES: Final[tuple[tuple[str, re.Pattern[str], Found], ...]] = tuple(
    (method, re.compile(pattern), found)
    for method, pattern, found in (
        ("GET", r"/", _start),
        ("GET", r"/page\.css", _style),
        ("GET", r"/page\.js", _script),
        ("GET", r"/api/search", lambda site, asked, match: found_json(site.library, asked)),
        ("GET", r"/api/hits\.csv", lambda site, asked, match: found_csv(site.library, asked)),
        ("POST", r"/api/verdict", lambda site, asked, match: keep_verdict(site.library, asked)),
        ("POST", r"/api/correction", lambda site, asked, match: keep_correction(site.library, asked)),
        ("GET", _PAGE + r"/info\.json", _info),
        ("GET", _PAGE + r"/(?P<region>[a-z0-9:.,]{1,60})/(?P<size>[a-z0-9:.,!]{1,40})/0/default\.jpg", _image),
        ("GET", _UNIT + r"/manifest\.json", _manifest),
        ("GET", _UNIT + r"/search/(?P<version>[12])", _search),
    )
)
