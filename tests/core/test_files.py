"""A file is the old one or the new one, whatever happens in between; a folder has one writer."""

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.core.files import content_hash, only_writer, open_regular, read_regular, write_atomic, write_json


def test_text_bytes_and_new_folders_are_written(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a" / "b" / "ñ.txt", "camión\n")
    write_atomic(tmp_path / "raw", b"\x00\xff")
    assert (tmp_path / "a" / "b" / "ñ.txt").read_bytes() == "camión\n".encode()
    assert (tmp_path / "raw").read_bytes() == b"\x00\xff"
    assert stat.S_IMODE((tmp_path / "raw").stat().st_mode) == 0o644


@pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize(
    ("number", "key"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EIO, "cannot_write"),
        (errno.EFBIG, "file_size_limit"),
    ],
)
def test_a_failed_write_leaves_the_old_content_and_no_piece(
    step: str, number: int, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomic(path, "old")

    def failing(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, step, failing)
    with pytest.raises(CapasError) as caught:
        write_atomic(path, "new")
    monkeypatch.undo()
    assert (caught.value.key, caught.value.where) == (key, str(path))
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_killed_write_leaves_the_old_content(step: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, "old")
    code = (
        "import os, signal, sys; from pathlib import Path; from capas.core.files import write_atomic\n"
        f"os.{step} = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_atomic(Path(sys.argv[1]), 'new')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_where_nothing_can_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CapasError) as caught:
        write_atomic(tmp_path / "file" / "below", "x")
    assert caught.value.key == "cannot_write"


def test_json_is_readable_utf8_and_refuses_what_json_has_not(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"año": [1, 0.5, None, True]})
    assert (tmp_path / "a.json").read_text(encoding="utf-8").startswith('{\n  "año": [')
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text()) == {"año": [1, 0.5, None, True]}


def test_names_that_are_no_utf8_survive_json(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    write_json(tmp_path / "a.json", [name])
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == [name]


def test_the_hash_is_blake2b_of_128_bits() -> None:
    assert content_hash(b"") == "cae66941d9efbd404e4d88758ea67670"
    assert content_hash(b"a") != content_hash(b"b") and len(content_hash(memoryview(b"abc"))) == 32


def test_reading_reserves_no_more_memory_than_the_file_has(tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_bytes(b"ten bytes.")
    tracemalloc.start()
    try:
        content = read_regular(path, max_bytes=10**9)
        reserved = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert content == b"ten bytes." and reserved < 10**6


@pytest.mark.parametrize("more", [1, 100_000, 300_000])
def test_a_file_that_grows_while_it_is_read_is_read_whole_or_refused(
    more: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "growing"
    path.write_bytes(b"before")
    fstat = os.fstat

    def grown(descriptor: int) -> os.stat_result:
        seen = fstat(descriptor)
        path.write_bytes(b"before" + b"x" * more)
        return seen

    with open_regular(path) as stream:
        monkeypatch.setattr("capas.core.files.open_regular", lambda *_, **__: stream)
        monkeypatch.setattr(os, "fstat", grown)
        if more < 200_000:
            assert read_regular(path, max_bytes=200_000) == b"before" + b"x" * more
        else:
            with pytest.raises(OSError, match=str(200_001)) as caught:
                read_regular(path, max_bytes=200_000)
            assert caught.value.errno == errno.EFBIG


def test_a_folder_has_one_writer_and_a_dead_one_does_not_count(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    hold = (
        "import sys, time; from pathlib import Path; from capas.core.files import only_writer\n"
        "with only_writer(Path(sys.argv[1])):\n print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold, str(folder)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(CapasError) as caught, only_writer(folder):
            pass
        assert caught.value.key == "run_is_busy" and caught.value.received == str(holder.pid)
        holder.kill()
    with only_writer(folder):
        assert (folder / ".lock").read_text() == str(os.getpid())
    with only_writer(folder):  # given back
        pass


def test_a_name_with_a_zero_byte_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="null byte"):
        open_regular(tmp_path / "a\0b")
