"""The loop, with an objective of two phases that it knows nothing about."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from capas.core.errors import CapasError
from capas.core.rng import seeded_generator
from capas.engine import checkpoint, progress
from capas.engine import loop as loop_module
from capas.engine.checkpoint import newest_checkpoint
from capas.engine.events import Evaluated, Event, Failed, Finished, Resumed, Saved, Started, Stepped, Stopped
from capas.engine.loop import StopRequest
from capas.engine.optim import schedule_factor
from capas.objectives.base import Objective, StepContext
from tests.engine.toys import RATES, Duel, Judges, Numbers, loop, stepper, weights


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_each_phase_corrects_its_own_networks_when_it_is_due() -> None:
    duel = Duel()
    assert isinstance(duel, Objective)
    working, batches = stepper(duel), Numbers().iterate(0)
    for number in range(5):
        before = weights(duel)
        losses = working.step([next(batches)], number, 0.2)
        changed = {name.split(".")[0] for name, value in weights(duel).items() if not torch.equal(before[name], value)}
        assert changed == ({"judge", "forger"} if number % 2 == 0 else {"judge"})
        assert set(losses) == ({"judged", "forged"} if number % 2 == 0 else {"judged"})
    assert duel.calls == ["judge", "forger", "judge", "judge", "forger", "judge", "judge", "forger"]


def test_steps_equal_those_made_by_hand() -> None:
    """Alternating descent with momentum: the judge's gradient at its own loss, then the forger's with the new judge."""
    ours, mine = Duel(), Duel()
    working, speed = stepper(ours), {name: torch.zeros_like(value) for name, value in weights(mine).items()}
    batches = list(zip(range(4), Numbers().iterate(0), (0.1, 0.2, 0.5, 0.9), strict=False))
    for number, batch, place in batches:
        rate = schedule_factor(place, warmup=0.2, schedule="one-cycle")
        working.step([batch], number, place)
        for phase in mine.phases:
            if number % phase.every:
                continue
            context = StepContext(step=number, progress=place, rng=seeded_generator(1, "loss", phase.name, number))
            loss = mine.losses(batch, phase, context)[phase.loss]
            network = mine.networks[phase.name]
            gradients = torch.autograd.grad(loss, list(network.parameters()))
            with torch.no_grad():
                for (name, parameter), gradient in zip(network.named_parameters(), gradients, strict=True):
                    speed[f"{phase.name}.{name}"] = 0.9 * speed[f"{phase.name}.{name}"] + gradient
                    parameter -= RATES[phase.name] * rate * speed[f"{phase.name}.{name}"]
    for name, value in weights(mine).items():
        torch.testing.assert_close(weights(ours)[name], value)


def test_events_come_in_order_and_the_schedule_reaches_its_end(tmp_path: Path) -> None:
    places: list[float] = []
    running = loop(
        Duel(), tmp_path, steps=12, train={"evaluations": 3, "checkpoint_steps": 5}, evaluate=Judges(1, 2, 3)
    )
    working = running.stepper

    class Listening:
        def __getattr__(self, name: str) -> object:
            return getattr(working, name)

        def step(self, batches: list[torch.Tensor], number: int, progress: float) -> dict[str, torch.Tensor]:
            places.append(progress)
            return working.step(batches, number, progress)

    object.__setattr__(running, "stepper", Listening())
    events = list(running.run())
    assert isinstance(events[0], Started) and isinstance(events[-1], Finished)
    assert (events[0].total_steps, events[0].epochs) == (12, 3.0)
    assert [event.step for event in events if isinstance(event, Evaluated)] == [4, 8, 12]
    assert [event.step for event in events if isinstance(event, Saved)] == [4, 8, 12]  # each was the best so far
    assert [event.step for event in events] == sorted(event.step for event in events)
    assert events[-1].step == 12 and not events[-1].early
    assert places == pytest.approx([i / 12 for i in range(12)])


def test_checkpoints_come_every_so_many_steps_and_two_are_kept(tmp_path: Path) -> None:
    events = list(loop(Duel(), tmp_path, steps=11, train={"checkpoint_steps": 3}).run())
    assert [event.step for event in events if isinstance(event, Saved)] == [3, 6, 9, 11]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-00000009.safetensors",
        "step-00000011.safetensors",
    ]


def test_the_reported_loss_is_the_mean_since_the_last_report(tmp_path: Path) -> None:
    duel, reference = Duel(), Duel()
    events = list(loop(duel, tmp_path, steps=6, train={"checkpoint_steps": 3}).run())
    working, losses = stepper(reference), []
    for number, batch in zip(range(6), Numbers().iterate(0), strict=False):
        losses.append(working.step([batch], number, number / 6))
    reports = [event for event in events if isinstance(event, Stepped)]
    assert [report.step for report in reports] == [3, 6]
    for report, part in zip(reports, (losses[:3], losses[3:]), strict=True):
        means = {}
        for name in ("judged", "forged"):
            held = [float(one[name]) for one in part if name in one]
            means[name] = sum(held) / len(held)
        assert report.losses == pytest.approx(means, rel=1e-5) and report.loss == report.losses["judged"]


def test_a_run_ends_with_the_weights_that_did_best(tmp_path: Path) -> None:
    seen: list[dict[str, torch.Tensor]] = []
    duel = Duel()
    judges = Judges(0.1, 0.7, 0.3, 0.2)

    class Looking(Judges):
        def __call__(self) -> loop_module.ValidationScore:
            assert not duel.judge.training
            seen.append(weights(duel))
            return judges()

    events = list(loop(duel, tmp_path, steps=8, train={"evaluations": 4}, ema=0.5, evaluate=Looking()).run())
    assert [event.best for event in events if isinstance(event, Evaluated)] == [True, True, False, False]
    assert same(weights(duel), seen[1]) and not same(seen[1], seen[3])


def test_evaluating_changes_nothing(tmp_path: Path) -> None:
    ends = []
    for number, evaluations in enumerate((1, 7)):
        duel = Duel(dropout=0.5)
        judges = Judges(*range(7))
        list(loop(duel, tmp_path / str(number), train={"evaluations": evaluations}, ema=0.5, evaluate=judges).run())
        ends.append(weights(duel))
    assert same(*ends)


def test_without_validation_a_run_ends_with_the_averaged_weights(tmp_path: Path) -> None:
    plain, averaged = Duel(), Duel()
    list(loop(plain, tmp_path / "a", steps=9).run())
    list(loop(averaged, tmp_path / "b", steps=9, ema=0.9).run())
    found = newest_checkpoint(tmp_path / "b")
    assert found is not None
    assert all(torch.equal(found[0][name], value) for name, value in weights(plain).items())
    assert all(torch.equal(found[0][f"average.{name}"], value) for name, value in weights(averaged).items())
    assert not same(weights(plain), weights(averaged))


def test_patience_ends_early_with_the_best(tmp_path: Path) -> None:
    judges = Judges(0.5, 0.4, 0.3, 0.2, 0.1, 0.0)
    events = list(loop(Duel(), tmp_path, steps=30, train={"evaluations": 10, "patience": 2}, evaluate=judges).run())
    assert judges.asked == 3
    assert isinstance(events[-1], Finished) and (events[-1].step, events[-1].early) == (9, True)
    assert [event.step for event in events if isinstance(event, Saved)][-1] == 9


def test_equal_scores_count_as_gain_so_that_the_latest_is_kept(tmp_path: Path) -> None:
    judges = Judges(0.5, 0.5, 0.5)
    events = list(loop(Duel(), tmp_path, steps=3, train={"evaluations": 3, "patience": 1}, evaluate=judges).run())
    assert [event.best for event in events if isinstance(event, Evaluated)] == [True, True, True]


class FakeTime:
    """A clock that only work moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress.time, "perf_counter", lambda: self.now)


class Working(Duel):
    """Each step takes as long as ``seconds`` says for it."""

    def __init__(self, clock: FakeTime, seconds: Iterator[float]) -> None:
        super().__init__()
        self.clock, self.seconds = clock, seconds

    def losses(self, *arguments: object) -> dict[str, torch.Tensor]:  # type: ignore[override]
        if getattr(arguments[1], "name") == "judge":  # noqa: B009
            self.clock.now += next(self.seconds)
        return dict(super().losses(*arguments))  # type: ignore[arg-type]


@pytest.mark.parametrize("planned", [7, 50, 4000])
@pytest.mark.parametrize(("early", "late"), [(0.1, 0.1), (0.1, 0.3), (0.3, 0.1)])
def test_a_time_budget_is_used_up_and_kept_whatever_was_planned(
    planned: int, early: float, late: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeTime(monkeypatch)
    duel = Working(clock, iter([early] * 40 + [late] * 10_000))
    events = list(loop(duel, tmp_path, steps=planned, train={"time_s": 12.0}).run())
    end = events[-1]
    assert isinstance(end, Finished) and 11.3 <= end.seconds <= 12.0 + 2 * max(early, late)
    reports = [event for event in events if isinstance(event, Stepped)]
    assert reports[-1].learning_rate < 0.05 * max(report.learning_rate for report in reports)
    assert isinstance(events[-2], Saved) and events[-2].step == end.step


def test_a_resumed_run_has_used_the_time_it_had_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, stop = FakeTime(monkeypatch), StopRequest()
    first = loop(Working(clock, iter([0.1] * 300)), tmp_path, steps=120, train={"time_s": 12.0}, stop=stop)
    for event in first.run():
        stop.requested = stop.requested or event.step >= 40
    assert isinstance(event, Stopped)
    clock.now += 10_000  # the night
    *_, end = loop(Working(clock, iter([0.1] * 300)), tmp_path, steps=120, train={"time_s": 12.0}).run()
    assert isinstance(end, Finished) and 11.3 <= end.seconds <= 12.2


@pytest.mark.parametrize(("phase", "call", "step"), [("judge", 6, 5), ("forger", 3, 4)])
def test_a_loss_that_is_no_number_names_step_and_examples(phase: str, call: int, step: int, tmp_path: Path) -> None:
    duel = Duel()
    duel.poison = (phase, call)
    events: list[Event] = []
    with pytest.raises(CapasError) as caught:
        for event in loop(duel, tmp_path, steps=20, train={"checkpoint_steps": 4}).run():
            events.append(event)
    assert caught.value.key == "loss_not_finite" and caught.value.where == f"step {step}"
    assert f"{step}/0.png, {step}/1.png" in str(caught.value)
    failed = events[-1]
    assert isinstance(failed, Failed) and failed.key == "loss_not_finite" and failed.step == 4
    found = newest_checkpoint(tmp_path)
    assert found is not None and all(tensor.isfinite().all() for tensor in found[0].values())


def test_weights_that_break_between_losses_are_not_called_best(tmp_path: Path) -> None:
    with pytest.raises(CapasError) as caught:
        list(loop(Duel(), tmp_path, steps=4, train={"evaluations": 1}, evaluate=Judges(0.9, loss=float("nan"))).run())
    assert caught.value.key == "loss_not_finite"
    assert not list(tmp_path.glob("best-*"))


@pytest.mark.parametrize("after", [1, 6, 7, 13])
def test_stopped_and_resumed_equals_uninterrupted(after: int, tmp_path: Path) -> None:
    ends: list[dict[str, torch.Tensor]] = []
    settings = {"evaluations": 5, "checkpoint_steps": 3}
    for name, stops in (("whole", False), ("stopped", True)):
        stop, folder = StopRequest(), tmp_path / name
        duel = Duel(dropout=0.5)
        running = loop(duel, folder, train=settings, ema=0.9, evaluate=Judges(1, 3, 2, 2, 3), stop=stop)
        events: list[Event] = []
        for number, event in enumerate(running.run()):
            events.append(event)
            stop.requested = stops and number >= after
        if stops:
            assert isinstance(events[-1], Stopped)
            asked = sum(isinstance(event, Evaluated) for event in events)
            duel = Duel(dropout=0.5)
            rest = list(loop(duel, folder, train=settings, ema=0.9, evaluate=Judges(*[1, 3, 2, 2, 3][asked:])).run())
            assert isinstance(rest[0], Resumed) and rest[0].step == events[-1].step
            assert isinstance(rest[-1], Finished)
        ends.append(weights(duel))
    assert same(*ends)


def test_a_finished_run_ends_at_once_with_the_same_weights(tmp_path: Path) -> None:
    first, again = Duel(), Duel()
    list(loop(first, tmp_path, evaluate=Judges(*range(10))).run())
    events = list(loop(again, tmp_path, evaluate=Judges()).run())
    assert [type(event) for event in events] == [Resumed, Started, Finished]
    assert same(weights(first), weights(again))


def test_a_full_disk_loses_no_earlier_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, duel = Duel(), Duel()
    list(loop(whole, tmp_path / "whole", train={"checkpoint_steps": 3}).run())
    written: list[Path] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        written.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        if sum(path.name.startswith(".step-") for path in written) > 2:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    events: list[Event] = []
    with pytest.raises(CapasError) as caught:
        for event in loop(duel, tmp_path / "run", train={"checkpoint_steps": 3}).run():
            events.append(event)
    monkeypatch.undo()
    assert caught.value.key == "disk_full" and isinstance(events[-1], Failed) and events[-1].step == 9
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "step-00000003.safetensors", "step-00000006.safetensors",
    ]  # fmt: skip
    after = Duel()
    rest = list(loop(after, tmp_path / "run", train={"checkpoint_steps": 3}).run())
    assert isinstance(rest[0], Resumed) and rest[0].step == 6
    assert same(weights(after), weights(whole))


def test_a_checkpoint_cut_off_while_written_leaves_the_one_before(tmp_path: Path) -> None:
    whole, stop = Duel(), StopRequest()
    list(loop(whole, tmp_path / "whole").run())
    for event in loop(Duel(), tmp_path / "run", train={"checkpoint_steps": 3}, stop=stop).run():
        stop.requested = event.step >= 12
    newest, older = sorted((tmp_path / "run").glob("step-*"), reverse=True)[:2]
    newest.write_bytes(newest.read_bytes()[:-50])
    (tmp_path / "run" / f".{newest.name}.x7f").write_bytes(b"a piece")
    after = Duel()
    rest = list(loop(after, tmp_path / "run").run())
    assert isinstance(rest[0], Resumed) and f"step-{rest[0].step:08d}.safetensors" == older.name
    assert same(weights(after), weights(whole))
    assert not list((tmp_path / "run").glob(".*"))


def test_when_no_checkpoint_can_be_read_nothing_is_begun_anew(tmp_path: Path) -> None:
    list(loop(Duel(), tmp_path, train={"checkpoint_steps": 3}).run())
    for number, path in enumerate(sorted(tmp_path.iterdir())):
        path.write_bytes(b"" if number else b"\x80\x04pickle")
    with pytest.raises(CapasError) as caught:
        list(loop(Duel(), tmp_path).run())
    assert caught.value.key == "checkpoints_damaged" and "step-00000020" in str(caught.value)


def test_best_weights_from_after_the_checkpoint_are_forgotten(tmp_path: Path) -> None:
    list(loop(Duel(), tmp_path, steps=4, evaluate=Judges(1, 1, 1, 1)).run())
    checkpoint.save_best_weights(tmp_path, {"judge.0.weight": torch.zeros(2, 2)}, 99)
    assert (tmp_path / "best-00000099.safetensors").is_file()
    list(loop(Duel(), tmp_path, steps=4, evaluate=Judges()).run())
    assert [path.name for path in tmp_path.glob("best-*")] == ["best-00000004.safetensors"]


def test_the_second_ctrl_c_ends_at_once_and_handlers_are_given_back() -> None:
    stop, former = StopRequest(), signal.getsignal(signal.SIGINT)
    with stop.listening():
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is former


@pytest.fixture
def in_a_terminal() -> Iterator[None]:
    """The tests themselves may run under nohup, which ignores SIGHUP."""
    former = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, former)


@pytest.mark.usefixtures("in_a_terminal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_is_asked_to_stop_does_so_once(number: signal.Signals) -> None:
    stop = StopRequest()
    with stop.listening():
        assert not stop.requested
        os.kill(os.getpid(), number)
        assert stop.requested
        if number != signal.SIGINT:
            os.kill(os.getpid(), number)  # a terminal that closes may say so more than once
        else:
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), number)


def test_under_nohup_a_closed_terminal_stops_nothing() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = StopRequest()
        with stop.listening():
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.requested
    finally:
        signal.signal(signal.SIGHUP, former)


@pytest.mark.usefixtures("in_a_terminal")
def test_after_the_terminal_was_closed_nothing_is_written_to_it() -> None:
    keeper, terminal = os.openpty()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.dup2(terminal, 1)
            os.dup2(terminal, 2)
            os.close(keeper)
            with StopRequest().listening():
                os.kill(os.getpid(), signal.SIGHUP)
                os.write(1, b"saved")
                code = os.isatty(1)
        finally:
            os._exit(code)
    os.close(terminal)
    assert os.waitpid(child, 0)[1] == 0
    os.close(keeper)
