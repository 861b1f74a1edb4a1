"""Hooks of mkdocs: pages that all languages share (404, search) are those of the first language built, English."""

from mkdocs.config.defaults import MkDocsConfig

SHARED = ("404.html", "search.html")


def on_post_template(output: str, template_name: str, config: MkDocsConfig) -> str:
    """Leave a shared page as it is when the Spanish ones are built; an empty page is not written."""
    return "" if template_name in SHARED and str(config.theme["locale"]) == "es" else output
