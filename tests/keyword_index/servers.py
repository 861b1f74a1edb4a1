"""A PostgreSQL server for the tests, from the machine's own programs, in a folder of its own and without a port."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path


def why_no_server() -> str:
    """Why none can be started here; "" where one can."""
    if find_spec("psycopg") is None:
        return "psycopg is not installed (the extra archive)"
    if not _programs():
        return "no PostgreSQL on this machine (initdb, pg_ctl)"
    if os.geteuid() == 0 and _runuser() is None:
        return "PostgreSQL does not run as root, and there is no runuser"
    return ""


def _runuser() -> str | None:
    return shutil.which("runuser", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin")))


@contextmanager
def server() -> Iterator[str]:
    """A server while it lasts; its address."""
    programs, folder = _programs(), Path(tempfile.mkdtemp(prefix="capas-pg-"))
    before = [str(_runuser()), "-u", "postgres", "--"] if os.geteuid() == 0 else []
    try:
        if before:
            shutil.chown(folder, "postgres")
        data, log = folder / "data", folder / "log"
        run = [*before, programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8"]
        subprocess.run(run, check=True, capture_output=True, cwd="/")
        control = [*before, programs / "pg_ctl", "-D", data, "-w", "-l", log]
        subprocess.run([*control, "-o", f"-c listen_addresses='' -k {folder} -F", "start"], check=True,
                       stdout=subprocess.DEVNULL, cwd="/")  # fmt: skip
        try:
            yield f"postgresql:///postgres?host={folder}&user=postgres"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, stdout=subprocess.DEVNULL, cwd="/")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    """The folder of ``initdb``: on the path, or the newest where Debian keeps them."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    kept = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return kept[-1] if kept else None
