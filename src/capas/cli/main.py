"""The entry point of ``capas``: language first, then the verbs; a user's mistake ends in one message and exit
code 2.
"""

import io
import json
import os
import signal
import sys
from types import FrameType

STOPPED = 130  # what shells report for Ctrl-C


def main() -> None:
    """Run the command line on ``sys.argv``."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        _main()
    except KeyboardInterrupt:  # before a verb listened for it, perhaps while torch was loaded: nothing has begun
        sys.exit(STOPPED)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; while torch is being loaded, end at once: its C++ code turns an exception of Python into
    an abort with a core dump, and nothing has begun that would have to be put away.
    """
    if getattr(getattr(sys.modules.get("torch"), "__spec__", None), "_initializing", False):
        os._exit(STOPPED)
    signal.default_int_handler(number, frame)


def _main() -> None:
    from capas.core.errors import CapasError
    from capas.core.i18n import LANGUAGES, choose_language

    if isinstance(sys.stdout, io.TextIOWrapper):
        # File names may hold bytes that are no UTF-8; JSON writes those with a backslash anyway.
        sys.stdout.reconfigure(errors="backslashreplace")
    from capas.cli import usage

    arguments = sys.argv[1:]
    # Help texts are made when the verbs are defined, so the language must be known before that.
    wanted = usage.option_value(arguments, "--lang")
    if wanted in LANGUAGES:
        choose_language(wanted)

    from capas.cli.app import app

    try:
        usage.refuse_empty(arguments)
        sys.exit(usage.translated(app).main(prog_name="capas", standalone_mode=False))
    except CapasError as error:
        _complain(error, as_json="--json" in arguments)
        sys.exit(2)
    except usage.UsageError as error:
        mistake = usage.usage_mistake(error, arguments)
        if mistake is None:
            usage.show_help(error)
        else:
            _complain(mistake, as_json="--json" in arguments)
        sys.exit(2)
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        sys.stderr.close()
        sys.exit(0)


def _complain(error: Exception, *, as_json: bool) -> None:
    from capas.core.errors import CapasError
    from capas.core.inert_text import inert_json

    assert isinstance(error, CapasError)
    if as_json:
        print(inert_json(json.dumps(error.as_json(), ensure_ascii=False)))  # noqa: T201
        return
    from rich.text import Text

    from capas.cli.show import console as new_console

    first, *rest = str(error).split("\n")
    console = new_console(stderr=True)
    console.print(Text("✗ ", "bold red") + Text(first, "bold"), soft_wrap=True)
    for line in rest:
        console.print(Text(line), soft_wrap=True)


if __name__ == "__main__":
    main()
