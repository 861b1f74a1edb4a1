"""What is done to a valid file to make a hostile one: by a seeded generator, so that each input can be made again."""

import copy
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Final

TOKENS: Final = (
    b"9" * 400, b"-1", b"0", b"1e999", b"NaN", b"inf", b"99999999999999999999", b"-0.0", b"1/0", b"0x7fffffff",
    b"[" * 3000, b"{\"a\":" * 3000, b"<a>" * 3000, b"(" * 3000, b"\"", b"'", b"\0", b"\n" * 50, b"\r", b"\t", b",",
    b";", b"=1+1", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\\ud800", b"&#0;", b"&lol;", b"\xe2\x80\xae",
    b"]]>", b"<!DOCTYPE a [<!ENTITY b \"c\">]>", b"\xf0\x9f\x92\xa9", b"../../../../etc/passwd", b"/dev/zero", b"null",
    b"true", b"a" * 5000, "\N{COMBINING ACUTE ACCENT}".encode() * 300, b"%s%n", b"\xff" * 8,
)  # fmt: skip
SIZES: Final = (0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0, 1, 0xFFFF, 0x10000, 100_000)
Mutator = Callable[[bytes, random.Random], bytes]


def truncated(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def flipped(data: bytes, rng: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 64))):
        if found:
            found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def repeated(data: bytes, rng: random.Random) -> bytes:
    start, end = _span(data, rng)
    return data[:end] + data[start:end] * rng.choice((1, 2, 30)) + data[end:]


def without(data: bytes, rng: random.Random) -> bytes:
    start, end = _span(data, rng)
    return data[:start] + data[end:]


def with_token(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(TOKENS) + data[at:]


def with_other_number(data: bytes, rng: random.Random) -> bytes:
    """A number of a text becomes another."""
    places = [at for at, byte in enumerate(data) if byte in b"0123456789"]
    if not places:
        return with_token(data, rng)
    start = rng.choice(places)
    end = start
    while end < len(data) and data[end] in b"0123456789.":
        end += 1
    return data[:start] + rng.choice(TOKENS[:10]) + data[end:]


def with_other_size(data: bytes, rng: random.Random) -> bytes:
    """Four bytes become another number, as in a header that declares a size."""
    if len(data) < 4:
        return data
    at = rng.randrange(min(len(data) - 3, rng.choice((64, 512, len(data)))))
    return data[:at] + struct.pack(rng.choice("<>") + "I", rng.choice(SIZES)) + data[at + 4 :]


def with_lines_changed(data: bytes, rng: random.Random) -> bytes:
    """Lines in another order, doubled or left out."""
    lines = data.split(b"\n")
    rng.choice((rng.shuffle, lambda held: held.append(held[0]), lambda held: held.pop(rng.randrange(len(held)))))(lines)
    return b"\n".join(lines)


MUTATORS: Final[tuple[Mutator, ...]] = (
    truncated, flipped, repeated, without, with_token, with_other_number, with_other_size, with_lines_changed,
)  # fmt: skip


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return ``data`` after one to three mutations; within a container also of a part of it, made valid again."""
    if rng.random() < 0.6:
        if data.startswith(b"PK\x03\x04"):
            return _zip_mutated(data, rng)
        if data.startswith(b"\x89PNG"):
            return _png_mutated(data, rng)
        if data[:1] in (b"{", b"["):
            return _json_mutated(data, rng)
    return _some(data, rng)


def _some(data: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = rng.choice(MUTATORS)(data, rng)
    return data[:2_000_000]


def _span(data: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice((1, 4, 20, 200)))


def _zip_mutated(data: bytes, rng: random.Random) -> bytes:
    """One member of an archive mutated, with the right check sums."""
    held = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as target:
        names = source.namelist()
        chosen = rng.choice(names)
        for name in names:
            content = source.read(name)
            target.writestr(name, _some(content, rng) if name == chosen else content)
    return held.getvalue()


def _png_mutated(data: bytes, rng: random.Random) -> bytes:
    """One chunk of a PNG mutated, with the right check sum."""
    at, chunks = 8, list[tuple[bytes, bytes]]()
    while at + 8 <= len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    chosen = rng.randrange(len(chunks))
    found = data[:8]
    for number, (kind, content) in enumerate(chunks):
        if number == chosen:
            content = (with_other_size if kind == b"IHDR" else _some)(content, rng)
        found += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return found


ODD_VALUES: Final = (None, True, -1, 0, 10**30, 1e300, float("nan"), "", "a" * 300, "\ud800", "\0", [], {}, [[]],
                     [None], {"a": {}}, "../x", -(2**63))  # fmt: skip


def _json_mutated(data: bytes, rng: random.Random) -> bytes:
    """One value of a JSON tree becomes another of another kind, goes away, or comes twice."""
    lines = data.split(b"\n") if data.count(b"\n{") else [data]
    chosen = rng.randrange(len(lines))
    try:
        tree = json.loads(lines[chosen])
    except ValueError:
        return _some(data, rng)
    for _ in range(rng.choice((1, 1, 2))):
        places = list(_places(tree))
        if not places:
            break
        holder, key = rng.choice(places)
        if rng.random() < 0.2:
            del holder[key]  # type: ignore[attr-defined]
        else:
            holder[key] = copy.deepcopy(rng.choice(ODD_VALUES))  # type: ignore[index]
    lines[chosen] = json.dumps(tree).encode()
    return b"\n".join(lines)


def _places(tree: object) -> "list[tuple[object, object]]":
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [place for key, value in items for place in ((tree, key), *_places(value))]
