"""Files held against the official schemas of their standards."""

import gzip
from functools import cache
from typing import Any

import pytest

from tests.harness import FIXTURES

SCHEMAS = FIXTURES / "schemas"


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
