"""Trust report of a trained model: nine themes of evidence, an HTML page and JSON, and the OOD gate of ``predict``."""

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from capas.trust.report import TrustReport
    from capas.trust.theme_context import Level


class _Verb(ModuleType):
    """Lets the package be called, as ``capas.api.trust`` can.

    The package and the verb share their name, and Python puts the package in ``capas.trust`` as soon as it is loaded.
    """

    def __call__(self, run: str | Path, *, level: "Level" = "standard", time_s: float | None = None) -> "TrustReport":
        from capas.engine.run import find_run
        from capas.trust.report import make_report, report_deadline

        return make_report(str(run), level, deadline=report_deadline(find_run(run), time_s))


sys.modules[__name__].__class__ = _Verb
