"""``make bench NAME``: run one benchmark; without a name, list them."""

import importlib
import sys
from pathlib import Path


def main() -> None:
    """Run the benchmark named on the command line."""
    names = sorted(p.stem.replace("_", "-") for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_"))
    names = [name for name in names if name not in ("record", "trained")]
    if len(sys.argv) != 2 or sys.argv[1] not in names:
        print("make bench NAME, with NAME one of:")
        for name in names:
            module = importlib.import_module(f"benchmarks.{name.replace('-', '_')}")
            print(f"  {name:<18} {(module.__doc__ or '').splitlines()[0]}")
        sys.exit(0 if len(sys.argv) == 1 else 2)
    importlib.import_module(f"benchmarks.{sys.argv[1].replace('-', '_')}").main()


if __name__ == "__main__":
    main()
