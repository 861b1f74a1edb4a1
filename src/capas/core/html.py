"""HTML from Jinja2 templates, in which every value is text unless it is ``Markup``.

A template lies beside the module that renders it. It may extend ``page.html`` and import the macros of ``table.html``,
which lie here, and calls ``say`` and ``language`` for its words. This is the only module that imports Jinja2, and it
does so when the first page is rendered: most commands write none.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from markupsafe import Markup as Markup

from capas.core.i18n import language, say
from capas.core.inert_text import inert

if TYPE_CHECKING:
    import jinja2

HERE: Final = Path(__file__).parent


def render_html(template: Path, values: Mapping[str, object]) -> Markup:
    """Return a template filled with ``values``, in the current language.

    Args:
        template: The file.
        values: Its variables. One that the template names and that is missing here is an error, not an empty text.

    Raises:
        jinja2.UndefinedError: A variable is missing.
    """
    return Markup(_environment(template.parent).get_template(template.name).render(values))


def _inert_value(value: object) -> object:
    return inert(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment(folder: Path) -> "jinja2.Environment":
    import jinja2

    # Lines that hold only a tag leave nothing behind, so that templates can be laid out for reading.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, HERE]), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, finalize=_inert_value,
    )  # fmt: skip
    environment.globals.update(say=say, language=language)
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    return environment
