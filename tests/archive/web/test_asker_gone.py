"""A search whose asker has closed the connection ends; one that is waited for has its time."""

import asyncio
import time

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from capas.archive.library.database import Library
from capas.archive.search.snippets import PageImages
from capas.archive.web import routes
from capas.archive.web.routes import ArchiveRequest, Site
from capas.keyword_index.query_limit import exceeds_query_limit


def searching(request: ArchiveRequest) -> Response:
    """Search until it has to end, for less than half a second."""
    until = time.monotonic() + 0.4
    while time.monotonic() < until:
        if exceeds_query_limit():
            return Response("ended")
        time.sleep(0.005)
    return Response("not ended")


def answer(library: Library, *, gone: bool) -> bytes:
    """What comes of a request, with or without its asker."""
    waiting: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
    waiting += [{"type": "http.disconnect"}] if gone else []

    async def receive() -> Message:
        if waiting:
            return waiting.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def asked() -> bytes:
        endpoint = routes._endpoint(Site(library=library, pictures=PageImages(), token="t"), searching, None)
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"host", b"x")],
                 "path_params": {}}  # fmt: skip
        response = await endpoint(Request(scope, receive))  # type: ignore[misc]
        return bytes(response.body)

    return asyncio.run(asked())


def test_a_search_ends_when_its_asker_is_gone(library: Library) -> None:
    assert answer(library, gone=True) == b"ended"


def test_a_search_ends_when_its_time_is_over(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "ANSWER_S", 0.05)
    assert answer(library, gone=False) == b"ended"


def test_a_search_that_is_waited_for_goes_on(library: Library) -> None:
    assert answer(library, gone=False) == b"not ended"
