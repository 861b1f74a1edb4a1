"""Ctrl-C before a verb listens for it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from capas.cli import main

LOADING = """
import signal, sys
from capas.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # off for what is started in the background
sys.path.insert(0, sys.argv[1])
def load():
    try:
        import torch
    except KeyboardInterrupt:
        sys.exit(7)  # as the C++ code of the real one, which aborts
main._main = load
main.main()
"""


def test_ctrl_c_while_torch_is_loaded_ends_at_once_without_an_exception_in_its_code(tmp_path: Path) -> None:
    package = tmp_path / "torch"
    package.mkdir()
    (package / "__init__.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    ended = subprocess.run([sys.executable, "-c", LOADING, tmp_path], capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (main.STOPPED, b"")


def test_elsewhere_ctrl_c_is_an_exception_as_ever() -> None:
    with pytest.raises(KeyboardInterrupt):
        main._interrupt(signal.SIGINT, None)
