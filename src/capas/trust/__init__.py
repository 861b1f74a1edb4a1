"""How far a finished model can be trusted: evidence in nine themes, a report, and what ``predict`` refuses by."""

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from capas.trust.report import TrustReport
    from capas.trust.theme_context import Level


class _Verb(ModuleType):
    """This package and the verb share their name, and Python puts the package in ``capas.trust`` as soon as it is
    loaded: so the package can be called, as ``capas.api.trust`` can."""

    def __call__(self, run: str | Path, *, level: "Level" = "standard") -> "TrustReport":
        from capas.trust.report import make_report

        return make_report(str(run), level)


sys.modules[__name__].__class__ = _Verb
