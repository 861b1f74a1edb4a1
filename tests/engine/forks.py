"""Processes to be killed: each runs the command line as ``python -m capas.cli.main`` does (or another program), but is
forked from one that has torch loaded already, so that a test can afford dozens.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

COMMAND_LINE = """
import capas.cli.data_verbs, capas.cli.train_verbs, torch._dynamo  # the optimisers want the last: two seconds
from capas.cli.main import main as command
def main(*arguments):
    sys.argv = ["capas", *arguments]
    command()
"""
SERVER = """
import json, os, sys
{program}
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        nothing, log = os.open(os.devnull, os.O_RDWR), os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for target, descriptor in ((0, nothing), (1, nothing), (2, log)):
            os.dup2(descriptor, target)
        main(*json.loads(line))
        sys.exit(0)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Forks:
    """One process at a time: ``start`` it, perhaps ``signal`` it, then ask for its ``exit_code``."""

    def __init__(self, server: subprocess.Popen[str], folder: Path) -> None:
        self._server = server
        self._folder = folder
        self.pid = 0

    def start(self, *arguments: str | Path) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps([*map(str, arguments)]) + "\n")
        self._server.stdin.flush()
        self.pid = int(self._line())

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def exit_code(self) -> int:
        return int(self._line())

    def run(self, *arguments: str | Path) -> None:
        """To its end, which must be a good one."""
        self.start(*arguments)
        code = self.exit_code()
        assert code == 0, self.errors()

    def errors(self) -> str:
        """What the processes wrote to standard error."""
        return (self._folder / "log").read_text(encoding="utf-8")

    def _line(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline()


@contextmanager
def forks(folder: Path, program: str = COMMAND_LINE) -> Iterator[Forks]:
    """Processes that run in ``folder``: each calls the function ``main`` that ``program`` defines."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER.replace("{program}", program)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        yield Forks(server, folder)
        assert server.stdin is not None
        server.stdin.close()
    assert server.returncode == 0


def wait_for_step(run: Path, step: int, *, after: int) -> None:
    """Until ``events.jsonl`` speaks of ``step`` or more in what was written beyond ``after`` bytes, and then for a
    random moment more, so that a signal may land anywhere in the work between two events.
    """
    events, deadline = run / "events.jsonl", time.monotonic() + 60
    while time.monotonic() < deadline:
        if max(steps_told(events, after), default=-1) >= step:
            time.sleep(random.uniform(0, 0.1))
            return
        time.sleep(0.002)
    raise AssertionError(f"no step {step} in {events}")


def steps_told(events: Path, after: int = 0) -> Sequence[int]:
    """The steps of all whole lines beyond ``after`` bytes."""
    if not events.is_file():
        return []
    lines = events.read_bytes()[after:].split(b"\n")[:-1]
    return [json.loads(line)["step"] for line in lines if line.startswith(b"{") and line.endswith(b"}")]
