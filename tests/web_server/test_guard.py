"""The guard by itself, called as ASGI defines it: every rule, one by one, and every route with every verb."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import Message, Receive, Scope

from capas.core.errors import CapasError
from capas.core.i18n import language
from capas.web_server.guard import Guard
from capas.web_server.guard_rules import GuardRules

TOKEN = "t0ken"
HOST = "127.0.0.1:8765"
RULES = GuardRules(host="127.0.0.1", port=8765, token=TOKEN)
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    status: int
    headers: Headers
    body: bytes

    @property
    def error(self) -> str:
        return str(json.loads(self.body)["error"])


class Application:
    """Counts how often it is reached."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, bytes]] = []
        self.router = Router(
            [
                Route("/page", self.answer),
                Route("/iiif/image", self.answer),
                Route("/change", self.answer, methods=["POST"]),
                Route("/language", lambda request: PlainTextResponse(language())),
                Route("/wrong", _mistake),
                Route("/broken", _bug),
                Route("/own", lambda request: PlainTextResponse("", headers={"cache-control": "private"})),
            ],
            redirect_slashes=False,
        )

    async def answer(self, request: Request) -> Response:
        self.calls.append((request.method, request.url.path, await request.body()))
        return PlainTextResponse("here")


def _mistake(request: Request) -> Response:
    raise CapasError("no_such_path", where="/secret/place")


def _bug(request: Request) -> Response:
    raise RuntimeError("a bug")


def scope_of(method: str, path: str, query: str, headers: Mapping[str, str]) -> Scope:
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "root_path": "",
            "query_string": query.encode(), "headers": pairs, "server": ("127.0.0.1", 8765)}  # fmt: skip


def chunks(*parts: bytes, wait_s: float = 0.0) -> Receive:
    """A body that comes in parts; nothing after the last of them."""
    left = list(parts)

    async def receive() -> Message:
        await asyncio.sleep(wait_s)
        if not left:
            await asyncio.sleep(60)
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    return receive


def ask(
    application: Application,
    path: str = "/page",
    *,
    method: str = "GET",
    query: str = "",
    headers: Mapping[str, str | None] | None = None,
    body: Receive | None = None,
    rules: GuardRules = RULES,
) -> Answer:
    """``headers`` are added to what a page of the server sends with a change; None takes one away."""
    sent = list[Message]()

    async def send(message: Message) -> None:
        sent.append(message)

    whole = {"Host": HOST, "Origin": f"http://{HOST}", "X-Capas-Token": TOKEN, "Content-Length": "2", **(headers or {})}
    kept = {name: value for name, value in whole.items() if value is not None}
    scope = scope_of(method, path, query, kept)
    asyncio.run(Guard(application.router, rules)(scope, body or chunks(b"{}"), send))
    start = sent[0]
    return Answer(status=start["status"], headers=Headers(raw=start["headers"]),
                  body=b"".join(one.get("body", b"") for one in sent[1:]))  # fmt: skip


@pytest.fixture
def application() -> Application:
    return Application()


def test_what_is_allowed_gets_through(application: Application) -> None:
    assert ask(application).body == b"here"
    assert ask(application, "/change", method="POST").body == b"here"
    assert application.calls == [("GET", "/page", b""), ("POST", "/change", b"{}")]


@pytest.mark.parametrize(
    "host", ["evil.example:8765", "127.0.0.1:1", "127.0.0.1", "", None, "127.0.0.1:8765.evil.example"]
)
def test_a_foreign_host_reaches_nothing(application: Application, host: str | None) -> None:
    got = ask(application, headers={"Host": host, "Origin": None})
    assert (got.status, got.error, application.calls) == (403, "foreign_host", [])


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", f"https://{HOST}", f"http://{HOST}.evil.example"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_foreign_origin_reaches_nothing(application: Application, origin: str, method: str) -> None:
    got = ask(application, "/change" if method == "POST" else "/page", method=method, headers={"Origin": origin})
    assert (got.status, got.error, application.calls) == (403, "foreign_origin", [])


def test_the_viewer_reads_its_paths_and_changes_nothing(application: Application) -> None:
    rules = replace(RULES, viewer="https://viewer.example", viewer_paths=("/iiif/",))
    origin = {"Origin": "https://viewer.example"}
    shown, kept = (ask(application, path, headers=origin, rules=rules) for path in ("/iiif/image", "/page"))
    assert shown.headers["access-control-allow-origin"] == "https://viewer.example"
    assert (shown.headers["cross-origin-resource-policy"], shown.headers["vary"]) == ("cross-origin", "Origin")
    assert "access-control-allow-origin" not in kept.headers
    assert kept.headers["cross-origin-resource-policy"] == "same-origin"
    assert ask(application, "/change", method="POST", headers=origin, rules=rules).error == "foreign_origin"


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_changes_come_from_the_same_site_as_the_browser_says(application: Application, site: str) -> None:
    headers = {"Sec-Fetch-Site": site, "Origin": None}
    assert ask(application, "/change", method="POST", headers=headers).error == "foreign_origin"
    assert ask(application, headers=headers).status == 200  # a link to the page may stand anywhere


def test_every_route_with_every_verb(application: Application) -> None:
    found = {(path, verb): ask(application, path, method=verb).status
             for path in ("/page", "/change", "/nowhere") for verb in VERBS}  # fmt: skip
    reading = {"GET": 200, "HEAD": 200, "POST": 405}
    changing = {"GET": 405, "HEAD": 405, "POST": 200}
    nowhere = {"GET": 404, "HEAD": 404, "POST": 404}
    expected = {(path, verb): known.get(verb, 501)
                for path, known in (("/page", reading), ("/change", changing), ("/nowhere", nowhere))
                for verb in VERBS}  # fmt: skip
    assert found == expected
    # Before the token, and by the guard rather than by the router.
    assert ask(application, "/page", method="POST", headers={"X-Capas-Token": None}).error == "method_not_allowed"


@pytest.mark.parametrize("path", ["/page\x00", "/page\n", "/page\\..", "/\x1b", "//page", "/page/"])
def test_odd_paths_are_nowhere(application: Application, path: str) -> None:
    assert (ask(application, path).status, application.calls) == (404, [])


@pytest.mark.parametrize("token", [None, "", "t0ke", "t0kenn", "T0KEN", "\u00e9"])
def test_without_the_token_nothing_is_changed(application: Application, token: str | None) -> None:
    got = ask(application, "/change", method="POST", headers={"X-Capas-Token": token})
    assert (got.status, got.error, application.calls) == (403, "page_outdated", [])


def test_an_empty_token_is_no_rule() -> None:
    with pytest.raises(ValueError, match="token is empty"):
        replace(RULES, token="")


def test_read_only_changes_nothing_even_with_the_token(application: Application) -> None:
    got = ask(application, "/change", method="POST", rules=replace(RULES, read_only="archive_read_only"))
    assert (got.status, got.error, application.calls) == (403, "archive_read_only", [])
    assert json.loads(got.body)["what"] == "This archive is served for reading only"


@pytest.mark.parametrize(
    ("length", "status"), [(None, 411), ("", 411), ("-1", 411), ("\u00b2", 411), ("64001", 413), ("9" * 5000, 413)]
)
def test_declared_lengths_are_checked(application: Application, length: str | None, status: int) -> None:
    got = ask(application, "/change", method="POST", headers={"Content-Length": length})
    assert (got.status, got.error, application.calls) == (status, "too_large", [])
    assert got.headers["connection"] == "close"


def test_more_bytes_than_declared_are_counted(application: Application) -> None:
    got = ask(application, "/change", method="POST", body=chunks(*[b"x" * 8000] * 9))
    assert (got.status, got.error, application.calls) == (413, "too_large", [])


def test_a_body_within_the_size_arrives_whole(application: Application) -> None:
    ask(application, "/change", method="POST", body=chunks(*[b"x" * 8000] * 8))
    assert application.calls == [("POST", "/change", b"x" * 64_000)]


def test_a_body_that_drips_is_cut_off(application: Application) -> None:
    rules = replace(RULES, body_timeout_s=0.2)
    got = ask(application, "/change", method="POST", body=chunks(*[b"x"] * 20, wait_s=0.05), rules=rules)
    assert (got.status, got.error, application.calls) == (408, "too_slow", [])


def test_a_client_that_leaves_gets_no_response(application: Application) -> None:
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(IndexError):  # nothing was sent
        ask(application, "/change", method="POST", body=gone)
    assert application.calls == []


def test_reading_takes_no_body(application: Application) -> None:
    ask(application, body=chunks(b"x" * 100_000))
    assert application.calls == [("GET", "/page", b"")]


def test_parameters_are_counted(application: Application) -> None:
    assert ask(application, query="&".join(f"p{i}=" for i in range(20))).status == 200
    assert ask(application, query="&".join(f"p{i}=" for i in range(21))).error == "bad_request"
    assert ask(application, query="&".join(["p="] * 21)).error == "bad_request"


@pytest.mark.parametrize(
    ("query", "accepted", "tongue"),
    [("", "fr;q=0.9, es-MX, en;q=0.5", b"es"), ("lang=en", "es", b"en"), ("", "", b"en"), ("lang=xx", "", b"en")],
)
def test_requests_choose_their_language(application: Application, query: str, accepted: str, tongue: bytes) -> None:
    assert ask(application, "/language", query=query, headers={"Accept-Language": accepted}).body == tongue


def test_a_mistake_is_told_without_where_and_with_its_status(application: Application) -> None:
    got = ask(application, "/wrong", rules=replace(RULES, statuses={"no_such_path": 404}))
    assert (got.status, got.error) == (404, "no_such_path") and b"/secret" not in got.body
    assert ask(application, "/wrong").status == 400


def test_a_bug_is_reported_here_and_not_there(application: Application, capsys: pytest.CaptureFixture[str]) -> None:
    got = ask(application, "/broken")
    assert (got.status, json.loads(got.body)) == (500, {"error": "failed"})
    assert "RuntimeError: a bug" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["/page", "/nowhere", "/wrong", "/broken", "/page\x00"])
@pytest.mark.parametrize("host", [HOST, "evil.example"])
def test_every_response_is_hardened(application: Application, path: str, host: str) -> None:
    headers = ask(application, path, headers={"Host": host, "Origin": None}).headers
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert (headers["cross-origin-resource-policy"], headers["cache-control"]) == ("same-origin", "no-store")


def test_applications_may_set_how_long_a_response_is_kept(application: Application) -> None:
    assert ask(application, "/own").headers["cache-control"] == "private"


def test_websockets_are_closed_before_they_open(application: Application) -> None:
    sent = list[Message]()

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {**scope_of("GET", "/page", "", {"Host": HOST}), "type": "websocket"}
    asyncio.run(Guard(application.router, RULES)(scope, chunks(b""), send))
    assert sent == [{"type": "websocket.close", "code": 1008}] and application.calls == []
