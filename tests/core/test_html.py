"""Templates: every value is text, a missing one is an error, and Jinja2 comes when the first page is made."""

import subprocess
import sys
from pathlib import Path

import jinja2
import pytest

import capas
from capas.core.html import Markup, render_html
from capas.core.i18n import choose_language

PACKAGE = Path(capas.__file__).parent
ODD = """<script>alert('1')</script> "quoted" & {{ 7 * 7 }} {% x %}"""


def template(text: str) -> Path:
    path = Path("one.html")
    path.write_text(text, encoding="utf-8")
    return path


def test_values_are_text_and_markup_is_markup() -> None:
    found = render_html(template('<p title="{{ a }}">{{ a }}</p>{{ b }}\n'), {"a": ODD, "b": Markup("<br/>")})
    safe = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &#34;quoted&#34; &amp; {{ 7 * 7 }} {% x %}"
    assert found == f'<p title="{safe}">{safe}</p><br/>\n'


def test_a_rendered_part_is_not_escaped_again() -> None:
    inner = render_html(template("<b>{{ a }}</b>"), {"a": "<"})
    assert Markup("<p>{}</p>").format(inner) == "<p><b>&lt;</b></p>"


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="name"):
        render_html(template("{{ name }}"), {})


def test_words_are_those_of_the_language_in_force() -> None:
    page = template('{{ language() }} {{ say("trust.verdict") }}')
    found = []
    for tongue in ("en", "es"):
        choose_language(tongue)
        found.append(render_html(page, {}))
    assert found[0].startswith("en ") and found[1].startswith("es ") and found[0][3:] != found[1][3:]


def test_data_in_a_script_cannot_end_it() -> None:
    found = render_html(template("<script>{{ a|tojson }}</script>"), {"a": {"ñ": "</script>"}})
    assert found == '<script>{"ñ": "\\u003c/script\\u003e"}</script>'


def test_one_module_imports_jinja() -> None:
    found = [path.name for path in PACKAGE.rglob("*.py") if "jinja2" in path.read_text(encoding="utf-8")]
    assert found == ["html.py"]


def test_no_module_writes_html_by_hand() -> None:
    signs = ("from html import", "import html", "<!doctype", "<div", "<table", "<section", "<p>", "<li")
    sources = {path.name: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    assert [name for name, text in sources.items() if any(sign in text for sign in signs)] == []


def test_no_template_switches_escaping_off() -> None:
    for path in PACKAGE.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "|safe" not in text.replace(" ", "") and "autoescape" not in text, path


def test_jinja_is_imported_with_the_first_page() -> None:
    code = (
        "import sys; from capas.trust.rendering.html_page import report_page_html\n"
        "from capas.leaderboard.exchange import board_page\n"
        "assert 'jinja2' not in sys.modules; board_page([]); assert 'jinja2' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
