"""A power cut takes back what was written and not synced. What was acknowledged to a person is not among it.

The process runs with a shim that notes each write and each sync (``power_cut.c``). From its notes the folder is built
as a disk would hold it that lost everything since the last sync of each file.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from capas.archive.library.database import FILE, Library
from capas.archive.review import reviews

COUNT = 4
WORK = """
import os, sqlite3, sys
from pathlib import Path
from capas.archive.library.database import FILE, Library
from capas.archive.review import record_correction
from capas.core import databases

if sys.argv[2] == "fast":  # as an index is written, whose last pages may be lost
    databases_enable = databases.enable_wal
    import capas.archive.library.database as library_module
    library_module.enable_wal = lambda connection, path, durable: databases_enable(connection, path, durable=False)
library = Library.open(Path(sys.argv[1]))
# Somebody else has the file open, such as a search: else closing it would sync everything.
other = sqlite3.connect(Path(sys.argv[1]) / FILE)
other.execute("SELECT count(*) FROM pages").fetchone()
log = os.open(os.environ["POWER_CUT_LOG"], os.O_WRONLY | os.O_APPEND)
for number in range(int(sys.argv[3])):
    record_correction(library, 1, "l1", f"text {number}", "Ana")
    os.write(log, f"A {number + 1} 0 acknowledged\\n".encode())
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled shim."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler and Linux")
    made = tmp_path_factory.mktemp("shim") / "power_cut.so"
    source = Path(__file__).with_name("power_cut.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(source), "-ldl"], check=True)
    return made


class Disk:
    """The files as written, and as they would be found after a power cut."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.written = {name: bytearray(content) for name, content in files.items()}
        self.synced = {name: bytes(content) for name, content in files.items()}

    def happened(self, kind: str, path: str, offset: int, content: bytes) -> None:
        held = self.written.setdefault(path, bytearray())
        self.synced.setdefault(path, b"")
        if kind == "W":
            held.extend(bytes(max(0, offset + len(content) - len(held))))
            held[offset : offset + len(content)] = content
        elif kind == "T":
            held[:] = held[:offset].ljust(offset, b"\0")
        elif kind == "S":
            self.synced[path] = bytes(held)
        else:
            del self.written[path], self.synced[path]


def after_cuts(log: bytes, before: dict[str, bytes], target: Path) -> list[int]:
    """How many corrections are found after a cut right behind each acknowledgement."""
    disk, found, at = Disk(before), list[int](), 0
    while at < len(log):
        end = log.index(b"\n", at)
        kind, first, size, path = log[at:end].decode().split(" ", 3)
        at = end + 1 + int(size)
        if kind != "A":
            disk.happened(kind, path, int(first), log[end + 1 : at])
            continue
        folder = target / first
        folder.mkdir()
        for name, content in disk.synced.items():
            if not name.endswith("-shm"):  # made anew from the log
                (folder / Path(name).name).write_bytes(content)
        found.append(len(reviews(Library.open(folder))))
    return found


def corrections_found(library: Library, shim: Path, tmp_path: Path, how: str) -> list[int]:
    folder = library.folder.resolve()
    before = {str(folder / FILE): (folder / FILE).read_bytes()}
    log = tmp_path / "log"
    log.touch()
    preloaded = {"LD_PRELOAD": str(shim), "POWER_CUT_DIR": str(folder), "POWER_CUT_LOG": str(log)}
    subprocess.run([sys.executable, "-c", WORK, str(folder), how, str(COUNT)], env={**os.environ, **preloaded},
                   check=True, timeout=120)  # fmt: skip
    (tmp_path / "cut").mkdir()
    return after_cuts(log.read_bytes(), before, tmp_path / "cut")


def test_what_was_acknowledged_outlives_a_power_cut(library: Library, shim: Path, tmp_path: Path) -> None:
    assert corrections_found(library, shim, tmp_path, "safe") == [1, 2, 3, 4]


def test_the_simulation_loses_what_is_not_synced(library: Library, shim: Path, tmp_path: Path) -> None:
    assert corrections_found(library, shim, tmp_path, "fast") != [1, 2, 3, 4]
