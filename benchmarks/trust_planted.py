"""Planted flaws: which of them the trust report names, and what it says of clean data.

Each set has one flaw (a mark that tells the class, people in both parts, copies, wrong labels, …) or none. It goes the
way of the command line: ``capas train`` for a few seconds with the quick report, and ``report.json`` is judged by a key
that was fixed beforehand. *Named*: a finding of the right kind that speaks of the right thing (column, class, pair).
*Pointed at*: one of a related kind, or of the right kind about something else. On a clean set every finding that is
called a problem is untrue. Pictures whose labels are asked for get the standard report: the quick one does without.

Beside it cleanlab's Datalab and deepchecks on the same sets, with the features and out-of-sample probabilities of a
plain linear model, as their tutorials have it: an issue of the right kind on the set counts for them as named.

Expected: at least 85 % named, at least 95 % named or pointed at; on twelve clean sets at most one untrue finding.

What was found is kept in a folder ($CAPAS_PLANTED, by default below the temporary one) by set, so that an interrupted
run goes on where it stopped; delete the folder to begin anew.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.planted import images, masks, sounds, tables, texts
from benchmarks.planted.case import Planted
from benchmarks.record import conditions, keep, table
from benchmarks.trained import shown, train
from capas.metrics.rate import rate

SETS = tuple(one for part in (images, tables, texts, sounds, masks) for one in (*part.PLANTED, *part.CLEAN))
ROOT = Path(__file__).parent.parent
PEERS = ("datalab", "deepchecks")
INSTALL = {
    "datalab": ("cleanlab[datalab]", "pillow"),
    # deepchecks 0.19 uses what later versions of these have removed.
    "deepchecks": ("deepchecks", "scikit-learn<1.6", "category-encoders<2.7", "numpy<2", "pandas<2.3", "setuptools<81",
                   "pillow"),
}  # fmt: skip
TITLE = "Planted flaws and the trust report"


def kept_in() -> Path:
    """The folder of what was found so far."""
    folder = Path(os.environ.get("CAPAS_PLANTED", Path(tempfile.gettempdir()) / "capas-planted"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def examined(one: Planted, folder: Path) -> dict[str, Any]:
    """What the report finds in a set; read from ``folder`` where it was made before."""
    path = folder / f"{one.slug}.json"
    if path.is_file():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    with tempfile.TemporaryDirectory() as name:
        data, run = Path(name) / "data", Path(name) / "run"
        data.mkdir()
        level = () if "--report" in one.options else ("--report", "quick")
        # Time enough on a busy machine: what is not asked is not found.
        patient = ("--set", "trust.time_s=900")
        trained = train(one.make(data), run, (), "--seed", "1", *one.options, *level, *patient)
        report = json.loads((run / "report" / "report.json").read_text(encoding="utf-8"))
    found = {
        "findings": [{key: finding[key] for key in ("key", "gravity", "text")} for finding in report["findings"]],
        "metrics": trained["metrics"],
        "seconds": {"training": trained["seconds"], "report": report["seconds"]},
    }
    path.write_text(json.dumps(found, ensure_ascii=False, indent=1), encoding="utf-8")
    return found


def peers_python(peer: str) -> Path | None:
    """The interpreter with cleanlab or deepchecks, which want different versions of NumPy; None where it fails."""
    folder = ROOT / f".venv-{peer}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    if not ready.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *INSTALL[peer]], check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        ready.touch()
    return python


def peer_says(peer: str, one: Planted, folder: Path) -> dict[str, Any] | None:
    """What a peer finds in a set, {issue: count}; None where it cannot look at it."""
    if peer == "deepchecks" and one.medium != "table":
        return None  # its parts for pictures and texts ask for a model of their own
    path = folder / f"{one.slug}.{peer}.json"
    if path.is_file():
        kept: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8"))
        return kept
    python, found = peers_python(peer), None
    if python is not None:
        with tempfile.TemporaryDirectory() as name:
            data = Path(name) / "data"
            data.mkdir()
            task = {"medium": one.medium, "data": str(one.make(data)), "target": _option(one.options, "--target")}
            script = Path(__file__).parent / "peers" / "planted_peers.py"
            command = [str(python), str(script), peer, json.dumps(task)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = done.stdout.strip().splitlines()
        found = json.loads(lines[-1]) if done.returncode == 0 and lines else None
        if found is None:
            print(one.slug, peer, done.stderr.strip()[-300:], flush=True)
    path.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def _option(options: Sequence[str], name: str) -> str | None:
    return options[options.index(name) + 1] if name in options else None


def named_by(peer: str, one: Planted, said: Mapping[str, Any] | None) -> bool:
    """Whether a peer found an issue of a kind that names the flaw."""
    return any(kind in (said or {}) for kind in (one.peers or {}).get(peer, ()))


def main() -> None:
    """Every set, then every set by the peers."""
    facts, folder = conditions("trust-planted"), kept_in()
    names = [one.slug for one in SETS]
    assert len(set(names)) == len(names)
    results: dict[str, dict[str, Any]] = {}
    for one in SETS:
        results[one.slug] = examined(one, folder)
        outcome = "clean" if one.clean else one.judge(results[one.slug]["findings"])
        print(one.slug, outcome, [f["key"] for f in results[one.slug]["findings"]], flush=True)
    said = {one.slug: {peer: peer_says(peer, one, folder) for peer in PEERS} for one in SETS}
    measured, text = summary(results, said)
    keep("trust-planted", TITLE, (__doc__ or "") + "\n" + text, facts, measured)


def summary(results: Mapping[str, Mapping[str, Any]], said: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The figures, and the page with a row for every set."""
    planted, clean = [one for one in SETS if not one.clean], [one for one in SETS if one.clean]
    outcomes = {one.slug: one.judge(results[one.slug]["findings"]) for one in planted}
    named = sum(outcome == "named" for outcome in outcomes.values())
    missed = sum(outcome == "missed" for outcome in outcomes.values())
    untrue = {
        one.slug: [f["text"] for f in results[one.slug]["findings"] if f["gravity"] == "problem"] for one in clean
    }
    figures = {
        "named": rate(named, len(planted)).as_json(),
        "named_or_pointed_at": rate(len(planted) - missed, len(planted)).as_json(),
        "clean_without_untrue_finding": rate(sum(not found for found in untrue.values()), len(clean)).as_json(),
        "untrue_findings": sum(map(len, untrue.values())),
    }
    rows = []
    for one in planted:
        beside = ["✓" if named_by(peer, one, said[one.slug][peer]) else "–" for peer in PEERS]
        rows.append([one.medium, one.name, outcomes[one.slug], keys_of(results[one.slug]), *beside])
    parts = [
        table(["", "share (95 % interval)", "n"], [
            ["named (sensitivity)", shown(figures["named"]), len(planted)],
            ["named or pointed at", shown(figures["named_or_pointed_at"]), len(planted)],
            ["clean sets without an untrue finding (specificity)", shown(figures["clean_without_untrue_finding"]),
             len(clean)],
        ]),
        f"Untrue findings on the {len(clean)} clean sets: {figures['untrue_findings']}.",
        table(["data", "planted", "report", "its findings", "Datalab", "deepchecks"], rows),
        table(["data", "clean set", "untrue", "all findings"], [
            [one.medium, one.name, len(untrue[one.slug]), keys_of(results[one.slug])] for one in clean]),
        *_beside(planted, clean, said),
        *(f"- Untrue, {slug}: {text}" for slug, found in untrue.items() for text in found),
    ]  # fmt: skip
    sets = {one.slug: {"outcome": outcomes.get(one.slug, "clean"), **results[one.slug],
                       "peers": said[one.slug]} for one in SETS}  # fmt: skip
    return {**figures, "sets": sets}, "\n\n".join(parts)


def keys_of(found: Mapping[str, Any]) -> str:
    """The kinds of finding, each once."""
    return ", ".join(dict.fromkeys(one["key"] for one in found["findings"])) or "–"


def _beside(planted: Sequence[Planted], clean: Sequence[Planted], said: Mapping[str, Any]) -> list[str]:
    """The figures of the peers."""
    lines = []
    for peer in PEERS:
        looked = [one for one in (*planted, *clean) if said[one.slug][peer] is not None]
        if not looked:
            lines.append(f"{peer} could not be set up here, so it does not stand beside.")
            continue
        able = [one for one in planted if (one.peers or {}).get(peer)]
        hits = sum(named_by(peer, one, said[one.slug][peer]) for one in planted)
        quiet = [one for one in looked if one.clean]
        alarms = sum(bool(said[one.slug][peer]) for one in quiet)
        lines.append(
            f"{peer}: looked at {len(looked)} of the {len(planted) + len(clean)} sets; names "
            f"{shown(rate(hits, len(planted)).as_json())} of all flaws, {hits} of the {len(able)} for which it has a "
            f"kind of issue; reports an issue on {alarms} of the {len(quiet)} clean sets that it looked at."
        )
    return lines


if __name__ == "__main__":
    main()
