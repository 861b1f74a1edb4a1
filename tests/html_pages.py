"""What tests of HTML pages share: a value that would do harm in a careless page, and what a browser makes of a page."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

HOSTILE = """<script>alert(1)</script> <img src=x onerror=alert(2)> "a" 'b' & {{ 7 * 7 }} {% raw %}"""


@dataclass
class Parsed:
    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Parsed()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.tags.append(tag)
        self.page.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.page.texts.append(data)


def parsed(page: str) -> Parsed:
    parser = _Parser()
    parser.feed(page)
    parser.close()
    return parser.page


def assert_inert(page: str, *, texts: int, attributes: int = 0, scripts: int = 0) -> None:
    """``HOSTILE`` stands so often in the page's texts and attributes, as it is, and nowhere has any effect."""
    found = parsed(page)
    assert sum(text.count(HOSTILE) for text in found.texts) == texts
    assert sum(value.count(HOSTILE) for _, value in found.attributes) == attributes
    assert found.tags.count("script") == scripts and not {name for name, _ in found.attributes if name.startswith("on")}
    assert ("src", "x") not in found.attributes and "49" not in page.replace(HOSTILE, "").split()
