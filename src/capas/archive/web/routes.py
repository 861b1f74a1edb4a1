"""What the archive's server answers to each address. No address is ever made into a path on disk: pages are asked for
by their number, units by the hash of their name, and the files of the search page stand in a table.
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capas.archive.library.database import Library
from capas.archive.search.snippets import PageImages
from capas.archive.web.http_messages import HttpRequest, HttpResponse, json_response
from capas.archive.web.iiif_image import ImageRequest, image_info, image_response
from capas.archive.web.iiif_search import content_search_1, content_search_2, unit_by_key, unit_manifest
from capas.archive.web.search_api import correction_response, hits_csv_response, hits_response, verdict_response
from capas.archive.web.search_page import search_page_html
from capas.core.errors import CapasError
from capas.core.i18n import say

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
    pictures: PageImages
    token: str
    read_only: bool = False


Found = Callable[[Site, HttpRequest, re.Match[str]], HttpResponse]


def route(site: Site, request: HttpRequest) -> HttpResponse:
    """What is answered: 404 where there is no such address, 405 where it has no such method."""
    methods = [
        (method, match, found) for method, pattern, found in ROUTES if (match := pattern.fullmatch(request.path))
    ]
    if not methods:
        return json_response({"error": "not_found"}, status=404)
    for method, match, found in methods:
        if method == request.method:
            return _answered(site, request, match, found)
    return json_response({"error": "method_not_allowed"}, status=405)


def _answered(site: Site, request: HttpRequest, match: re.Match[str], found: Found) -> HttpResponse:
    try:
        if request.method != "GET":
            _may_change(site, request)
        return found(site, request, match)
    except CapasError as error:
        # Where things lie on the server is nobody's business.
        parts = ("what", "expected", "next")
        facts = {"what": say("archive.serve.no_picture")} if error.key in UNSEEN else {n: error.part(n) for n in parts}
        return json_response({"error": error.key, **facts}, status=STATUS.get(error.key, 400))


def _may_change(site: Site, request: HttpRequest) -> None:
    """Only what comes from a page of this server changes anything: another site's page cannot know the token."""
    if site.read_only:
        raise CapasError("archive_read_only")
    if not hmac.compare_digest(request.token.encode(), site.token.encode()):
        raise CapasError("page_outdated")


def _start(site: Site, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
    content = search_page_html(site.library, token=site.token, read_only=site.read_only)
    return HttpResponse(body=content.encode(), media_type="text/html; charset=utf-8")


def _style(site: Site, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
    return HttpResponse(body=(HERE / "search_page.css").read_bytes(), media_type="text/css; charset=utf-8")


def _script(site: Site, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
    return HttpResponse(body=(HERE / "search_page.js").read_bytes(), media_type="text/javascript; charset=utf-8")


def _image(site: Site, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
    page = site.library.page(int(match["page"]))
    return image_response(page, ImageRequest(region=match["region"], size=match["size"]), site.pictures)


def _info(site: Site, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
    page = site.library.page(int(match["page"]))
    return image_info(page, f"{request.base}/iiif/image/{page.id}")


def _manifest(site: Site, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
    return unit_manifest(site.library, unit_by_key(site.library, match["unit"]), request.base)


def _search(site: Site, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
    unit = unit_by_key(site.library, match["unit"])
    return (content_search_2 if match["version"] == "2" else content_search_1)(site.library, unit, request)


_UNIT: Final = r"/iiif/unit/(?P<unit>[0-9a-f]{16})"
_PAGE: Final = r"/iiif/image/(?P<page>[0-9]{1,18})"
ROUTES: Final[tuple[tuple[str, re.Pattern[str], Found], ...]] = tuple(
    (method, re.compile(pattern), found)
    for method, pattern, found in (
        ("GET", r"/", _start),
        ("GET", r"/page\.css", _style),
        ("GET", r"/page\.js", _script),
        ("GET", r"/api/search", lambda site, request, match: hits_response(site.library, request)),
        ("GET", r"/api/hits\.csv", lambda site, request, match: hits_csv_response(site.library, request)),
        ("POST", r"/api/verdict", lambda site, request, match: verdict_response(site.library, request)),
        ("POST", r"/api/correction", lambda site, request, match: correction_response(site.library, request)),
        ("GET", _PAGE + r"/info\.json", _info),
        ("GET", _PAGE + r"/(?P<region>[a-z0-9:.,]{1,60})/(?P<size>[a-z0-9:.,!]{1,40})/0/default\.jpg", _image),
        ("GET", _UNIT + r"/manifest\.json", _manifest),
        ("GET", _UNIT + r"/search/(?P<version>[12])", _search),
    )
)
