"""A served archive, and how tests ask it."""

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest
from starlette.datastructures import Headers

from capas.archive.library.database import Library
from capas.archive.web.server import ArchiveServer, ServerConfig
from tests.archive.conftest import served


@dataclass(frozen=True, kw_only=True, slots=True)
class Got:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


def ask(
    server: ArchiveServer,
    path: str,
    *,
    method: str = "GET",
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Got:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    content = None if body is None else json.dumps(body).encode()
    connection.request(method, path, content, dict(headers or {}))
    answer = connection.getresponse()
    got = Got(status=answer.status, headers=Headers(dict(answer.getheaders())), body=answer.read())
    connection.close()
    return got


def search(server: ArchiveServer, **params: object) -> dict[str, object]:
    got = ask(server, f"/api/search?{urlencode(params)}")
    assert got.status == 200, got.body
    return got.json


def hits(answer: Mapping[str, object]) -> list[dict[str, object]]:
    found = answer["found"]
    assert isinstance(found, list)
    return found


@pytest.fixture
def server(library: Library) -> Iterator[ArchiveServer]:
    with served(library, ServerConfig(port=0)) as one:
        yield one


def say(server: ArchiveServer, path: str, token: str, **content: object) -> Got:
    return ask(server, path, method="POST", body=content, headers={"X-Capas-Token": token})
