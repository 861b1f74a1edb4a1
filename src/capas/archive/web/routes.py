"""The routes of the archive.

No address is made into a path on disk: pages are asked for by their number, units by the hash of their name, and the
files of the search page stand in a table.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from anyio import CapacityLimiter, to_thread
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from capas.archive.library.database import Library
from capas.archive.search.snippets import PageImages
from capas.archive.web.iiif_image import ImageRequest, image_info, image_response
from capas.archive.web.iiif_search import content_search_1, content_search_2, unit_by_key, unit_manifest
from capas.archive.web.search_api import correction_response, hits_csv_response, hits_response, verdict_response
from capas.archive.web.search_page import search_page_html
from capas.archive.web.search_parameters import RequestParameters
from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.keyword_index.query_limit import QueryLimit, limited
from capas.web_server.json_responses import json_response

HERE: Final = Path(__file__).parent
ANSWER_S: Final = 10.0  # seconds that a search may take
UNDECODABLE: Final = ("page_unreadable", "page_replaced", "page_too_large")
STATUSES: Final = {"no_such_page": 404, "no_such_line": 404, "line_changed": 409, "archive_unreadable": 500,
                   "disk_full": 507, "database_busy": 503, "query_too_slow": 503}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """A library that is served.

    Attributes:
        library: The library.
        pictures: Its decoded pages.
        token: What the search page sends along with changes.
        read_only: Whether the search page offers no changes. The guard refuses them.
    """

    library: Library
    pictures: PageImages
    token: str
    read_only: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveRequest:
    """A request to a site: its ``parameters``, and the parts of its ``path`` that a route names."""

    site: Site
    parameters: RequestParameters
    path: Mapping[str, str]

    @property
    def library(self) -> Library:
        """The library of the site."""
        return self.site.library


Handler = Callable[[ArchiveRequest], Response]


class PathPart(Convertor[str]):
    """A part of a path, handed on as it stands; ``PATH_PARTS`` says which characters it may have."""

    def convert(self, value: str) -> str:
        """Return the part."""
        return value

    def to_string(self, value: str) -> str:
        """Return the part."""
        return value


PATH_PARTS: Final = {"page_number": "[0-9]{1,18}", "unit_key": "[0-9a-f]{16}", "iiif_region": "[a-z0-9:.,]{1,60}",
                     "iiif_size": "[a-z0-9:.,!]{1,40}", "search_version": "[12]"}  # fmt: skip
for _name, _regex in PATH_PARTS.items():
    register_url_convertor(_name, type(_name, (PathPart,), {"regex": _regex})())


def archive_router(site: Site) -> Router:
    """Return the application, to be mounted behind the guard."""
    # As many searches at a time as there are processors: more of them would only take turns, and all end later. Those
    # that wait hold no thread, so that pictures and pages go on being served.
    searches = CapacityLimiter(os.cpu_count() or 1)
    return Router(
        [Route(path, _endpoint(site, handler, searches if path in SEARCHES else None), methods=[method])
         for method, path, handler in ROUTES],
        redirect_slashes=False,
    )  # fmt: skip


def _endpoint(site: Site, handler: Handler, at_once: CapacityLimiter | None) -> Callable[[Request], object]:
    """Run a handler in a thread: searching and cutting pictures take time, and others are answered meanwhile."""

    async def endpoint(request: Request) -> Response:
        parameters = RequestParameters(
            path=request.scope["path"], params=dict(request.query_params), base=f"http://{request.headers['host']}",
            body=await request.body(),
        )  # fmt: skip
        limit = QueryLimit(seconds=ANSWER_S)
        watch = asyncio.create_task(_cancel_when_gone(request, limit))
        try:
            with limited(limit):  # the thread inherits the context
                asked = ArchiveRequest(site=site, parameters=parameters, path=request.path_params)
                work = partial(_response, handler, asked)
                return await to_thread.run_sync(work, limiter=at_once)
        finally:
            watch.cancel()

    return endpoint


async def _cancel_when_gone(request: Request, limit: QueryLimit) -> None:
    """End the search of somebody who has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    limit.cancel()


def _response(handler: Handler, request: ArchiveRequest) -> Response:
    try:
        return handler(request)
    except CapasError as error:
        if error.key not in UNDECODABLE:
            raise
        # Its text says where the file lies on the server.
        return json_response({"error": error.key, "what": say("archive.serve.no_picture")}, status=404)


def _start(request: ArchiveRequest) -> Response:
    site = request.site
    return Response(search_page_html(site.library, token=site.token, read_only=site.read_only), media_type="text/html")


def _style(request: ArchiveRequest) -> Response:
    return Response((HERE / "search_page.css").read_bytes(), media_type="text/css")


def _script(request: ArchiveRequest) -> Response:
    return Response((HERE / "search_page.js").read_bytes(), media_type="text/javascript")


def _image(request: ArchiveRequest) -> Response:
    page = request.library.page(int(request.path["page"]))
    part = ImageRequest(region=request.path["region"], size=request.path["size"])
    return image_response(page, part, request.site.pictures)


def _info(request: ArchiveRequest) -> Response:
    page = request.library.page(int(request.path["page"]))
    return image_info(page, f"{request.parameters.base}/iiif/image/{page.id}")


def _manifest(request: ArchiveRequest) -> Response:
    unit = unit_by_key(request.library, request.path["unit"])
    return unit_manifest(request.library, unit, request.parameters.base)


def _search(request: ArchiveRequest) -> Response:
    unit = unit_by_key(request.library, request.path["unit"])
    search = content_search_2 if request.path["version"] == "2" else content_search_1
    return search(request.library, unit, request.parameters)


_UNIT: Final = "/iiif/unit/{unit:unit_key}"
_PAGE: Final = "/iiif/image/{page:page_number}"
SEARCHES: Final = ("/api/search", "/api/hits.csv", _UNIT + "/search/{version:search_version}")
ROUTES: Final[tuple[tuple[str, str, Handler], ...]] = (
    ("GET", "/", _start),
    ("GET", "/page.css", _style),
    ("GET", "/page.js", _script),
    ("GET", "/api/search", lambda request: hits_response(request.library, request.parameters)),
    ("GET", "/api/hits.csv", lambda request: hits_csv_response(request.library, request.parameters)),
    ("POST", "/api/verdict", lambda request: verdict_response(request.library, request.parameters)),
    ("POST", "/api/correction", lambda request: correction_response(request.library, request.parameters)),
    ("GET", _PAGE + "/info.json", _info),
    ("GET", _PAGE + "/{region:iiif_region}/{size:iiif_size}/0/default.jpg", _image),
    ("GET", _UNIT + "/manifest.json", _manifest),
    ("GET", _UNIT + "/search/{version:search_version}", _search),
)
