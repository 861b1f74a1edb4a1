"""What all tests share: shapes and types are checked while they run, nothing outside a temporary folder is touched,
and one tiny model is trained once for all who only read it.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before anything of Capas or torch is loaded, and inherited by every process that a test starts.
os.environ["CAPAS_LANG"] = "en"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="capas-tests-cache-")
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp(prefix="capas-tests-data-")  # where the board is kept
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="capas-tests-config-")  # the servers that a user knows
os.environ["COLUMNS"] = "100"  # how wide help and tables are drawn
for variable in ("FORCE_COLOR", "NO_COLOR", "TERMINAL_WIDTH", "RANK", "WORLD_SIZE"):
    os.environ.pop(variable, None)

assert not any(name == "capas" or name.startswith("capas.") for name in sys.modules), "capas came before the checks"
from jaxtyping import install_import_hook  # noqa: E402

# As mypy reads annotations: an int will do where a float is asked for.
install_import_hook("capas", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

import torch  # noqa: E402

from capas.core.i18n import choose_language  # noqa: E402
from capas.engine.methods import cross_validation  # noqa: E402
from tests.harness import FIXED, train_here  # noqa: E402

# The tiny data of the tests would be trained on six times; tests of this set it back.
cross_validation.MIN_TEST = 0

# They import the reference libraries, which the project never does.
collect_ignore_glob = ["fixtures/*/record.py"]


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test in a folder of its own, in English, with one thread, leaving no global changed."""
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)
    choose_language(None)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on sample:shapes (compact, width 8). Copy it before changing anything in it."""
    return train_here("sample:shapes", tmp_path_factory.mktemp("runs") / "shapes", {**FIXED, "train.epochs": 2})
