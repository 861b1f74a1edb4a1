"""Files held against the official schemas of their standards."""

import gzip
from functools import cache
from pathlib import Path
from typing import Any

import pytest

SCHEMAS = Path(__file__).parents[1] / "fixtures" / "schemas"


@cache
def grammar(schema: str) -> Any:
    """An XSD, or a compressed RELAX NG grammar."""
    etree = pytest.importorskip("lxml.etree")
    path = SCHEMAS / schema
    if path.suffix == ".xsd":
        return etree.XMLSchema(etree.parse(str(path)))
    return etree.RelaxNG(etree.fromstring(gzip.decompress(path.read_bytes())))


def faults(content: bytes, schema: str) -> list[str]:
    """What is wrong with a file by the schema."""
    etree = pytest.importorskip("lxml.etree")
    rules = grammar(schema)
    rules.validate(etree.fromstring(content))
    return [f"{error.line}: {error.message}" for error in rules.error_log]
