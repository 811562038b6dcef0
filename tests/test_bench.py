"""The benchmark: the same work for everyone, in turn, in a clean environment, honestly reported."""

import contextlib
import importlib
import json
import math
import os
import statistics
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from engine.bench import comparisons, duel, more_cores, numpy_contender, quality, textbook
from engine.bench.command import Plan, run
from engine.bench.comparisons import compare
from engine.bench.contender_process import ContenderFailedError, ContenderProcess, clean_environment
from engine.bench.contenders import LEARNING, OURS, RIVALS, Contender
from engine.bench.duel import Entry, Times
from engine.bench.floor import Products
from engine.bench.program import ProgramEndedError, step_shown, watch_until
from engine.bench.report import report
from engine.bench.results import Ratio, Results
from engine.bench.terminal import Terminal, delays
from engine.bench.workload import Workload, held_out, of_text, workloads
from engine.errors import UserError
from engine.training.replica import Replica
from engine.training.worker import THREAD_VARIABLES
from tui.cli import main

TINY = Workload("gru", 2, 8, 3, 5)


@pytest.mark.parametrize("rival", ["torch", "jax"])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_rivals_train_the_same_model(rival: str, cell: str) -> None:
    pytest.importorskip(rival)
    workload = Workload(cell, 2, 8, 3, 5)
    ours = numpy_contender.training(workload, 1)
    theirs = importlib.import_module(RIVALS[rival].module).training(workload, 1)
    assert [theirs() for _ in range(10)] == pytest.approx([ours() for _ in range(10)], rel=1e-5)


@pytest.fixture
def verse(tmp_path: Path) -> Path:
    """A text of 400 characters that is quickly learnt."""
    file = tmp_path / "verse.txt"
    file.write_text("row row row your boat gently down the stream\n" * 9)
    return file


@pytest.mark.parametrize("cell", ["gru", "lstm", "mingru"])
def test_rivals_learn_a_text_to_the_same_loss(cell: str, verse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    rival = importlib.import_module(RIVALS["torch"].module)
    monkeypatch.setattr(rival, "_fastest", rival.build)  # to compile takes a minute
    (workload,) = of_text([Workload(cell, 2, 8, 3, 5)], str(verse))
    ours = numpy_contender.learning(workload, 1)
    theirs = rival.learning(workload, 1)
    epoch = len(workload.windows())
    for steps in (1, epoch - 1, 5):  # the last ones begin the text again, with a zero state
        (seconds, loss), (their_seconds, their_loss) = ours(steps), theirs(steps)
        assert loss == pytest.approx(their_loss, rel=1e-4)
        assert min(seconds, their_seconds) > 0


def test_the_loss_is_that_of_the_whole_held_out_tenth(verse: Path) -> None:
    (workload,) = of_text([TINY], str(verse))
    corpus = workload.corpus()
    assert len(corpus.valid) == round(corpus.length / 10)
    assert held_out(corpus).counts.sum() == len(corpus.valid)


def test_time_to_quality_is_the_first_time_that_the_loss_is_so_low() -> None:
    curve = quality.Curve()
    assert curve.goes_on(1.5, 3)
    for seconds, loss in ((60, 2.0), (60, 1.5), (30, 1.7), (30, 1.4)):
        curve.add(seconds, loss)
    assert [curve.until(loss) for loss in (2.1, 1.6, 1.5, 1.45, 1.3)] == [1, 2, 2, 3, None]
    assert not curve.goes_on(1.4, 10)
    assert curve.goes_on(1.3, 3.1)
    assert not curve.goes_on(1.3, 3)


def test_contenders_learn_in_turn_until_they_are_good_or_out_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class FakeProcess:
        machine: ClassVar[dict[str, object]] = {}
        versions: ClassVar[dict[str, str]] = {}

        def __init__(self, contender: Contender, *_: object) -> None:
            self.name, self.losses = contender.name, iter([2.0, 1.55, 1.45] if contender is OURS else [1.9] * 9)

        def close(self) -> None:
            pass

        def learn(self, steps: int) -> tuple[float, float]:
            asked.append(self.name)
            return 60.0, next(self.losses)

    monkeypatch.setattr(duel, "ContenderProcess", FakeProcess)
    results = Results()
    quality.quality(
        results,
        [RIVALS["jax"], RIVALS["torch"]],
        [TINY],
        losses=[1.6, 1.5],
        minutes=5,
        threads=1,
        progress=lambda text: None,
    )
    assert asked == [OURS.name, "torch"] * 3 + ["torch"] * 2
    first, second, lowest = results.measures
    assert (first.value, second.value, first.reference_value) == (2, 3, None)
    assert first.reference == "torch, which never was so low"
    assert (lowest.value, lowest.reference_value) == (1.45, 1.9)


def test_a_rival_that_dies_while_it_learns_costs_its_own_figures_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class FakeProcess:
        machine: ClassVar[dict[str, object]] = {}
        versions: ClassVar[dict[str, str]] = {}

        def __init__(self, contender: Contender, *_: object) -> None:
            self.contender = contender

        def close(self) -> None:
            pass

        def learn(self, steps: int) -> tuple[float, float]:
            if self.contender is not OURS:
                raise ContenderFailedError("it has died")
            return 60.0, 1.4

    monkeypatch.setattr(duel, "ContenderProcess", FakeProcess)
    results = Results()
    entries = [Entry(each.name, each, TINY, LEARNING) for each in (OURS, RIVALS["torch"])]
    curves = quality.learn(results, entries, 1, 10, lambda curve: curve.goes_on(1.5, 5))
    assert (list(curves), results.missing) == ([OURS.name], {"torch": "it has died"})


def test_a_process_that_has_died_says_so_whatever_it_is_asked_and_can_be_closed() -> None:
    process = ContenderProcess(OURS, "training", TINY, 1)
    process._process.kill()
    process._process.wait()
    with pytest.raises(ContenderFailedError, match="ended with code -9"):
        process.milliseconds("task", 0.0)
    with pytest.raises(ContenderFailedError, match="ended with code -9"):
        process.learn(1)
    process.close()


def test_a_text_that_cannot_be_read_is_said_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparisons, "training", lambda *_, **__: pytest.fail("measured first"))
    with pytest.raises(UserError, match="no-such-text"):
        run(Plan(against=[], cells=["gru"], what=["training", "quality"], text="no-such-text"))


def test_time_to_quality_in_processes_of_their_own(
    verse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    target = tmp_path / "bench.json"
    options = ["--against", "torch,jax", "--cells", "gru", "--sizes", "1x16x3x9", "--threads", "1", "--what", "quality"]
    options += ["--text", str(verse), "--losses", "1.8,0.001", "--minutes", "0.0001"]
    assert main(["bench", *options, "--json", str(target)]) == 0  # 250 steps each: the limit of time is less
    reached, not_reached, lowest = json.loads(target.read_text())["measures"]
    assert reached["value"] > 0 < reached["reference_value"]
    assert reached["ratio"]["median"] == pytest.approx(reached["reference_value"] / reached["value"])
    assert not_reached["value"] is not_reached["ratio"] is None
    assert lowest["value"] == pytest.approx(lowest["reference_value"], rel=1e-2)
    assert 0.001 < lowest["value"] < 1.8
    assert "minutes until 1.80 nats, gru 1×16, batch 3, T 9" in capsys.readouterr().out


def test_textbook_learns_what_it_is_shown() -> None:
    step = textbook.training(Workload("rnn", 1, 32, 1, 5), 1)
    losses = [step() for _ in range(1000)]
    assert losses[0] == pytest.approx(math.log(65), rel=1e-3)
    assert statistics.mean(losses[-20:]) < 0.5 * losses[0]


def test_floor_is_every_product_of_a_step() -> None:
    hidden, rows, columns = 8, 24, 15
    recurrent = rows * hidden * (columns + columns - 3 + columns)
    layer_above = 3 * rows * hidden * columns
    head, table = 3 * 65 * hidden * columns, 3 * rows * 64 * 65
    multiplications = sum(len(left) * left.shape[1] * right.shape[1] for left, right, _ in Products(TINY).triples)
    assert multiplications == 2 * recurrent + layer_above + head + table


def test_environment_has_the_threads_and_no_other_blas_setting() -> None:
    before = {"OPENBLAS_VERBOSE": "2", "OMP_WAIT_POLICY": "active", "MKL_DEBUG": "1", "HOME": "/home/me"}
    after = clean_environment(before, 3)
    assert {name: after[name] for name in THREAD_VARIABLES} == dict.fromkeys(THREAD_VARIABLES, "3")
    assert [name for name in after if name.startswith(("OPENBLAS_", "OMP_", "MKL_"))] == list(THREAD_VARIABLES)
    assert after["HOME"] == "/home/me"
    assert clean_environment({"OPENBLAS_CORETYPE": "Haswell"})["OPENBLAS_CORETYPE"] == "Haswell"


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_one_of_many_processes_does_its_share_of_a_step(processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Replica] = []

    class KeptReplica(Replica):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(self)

    monkeypatch.setattr(more_cores, "Replica", KeptReplica)
    step = more_cores.one_of(processes, TINY)
    (replica,) = made
    before = replica.parameters.flat.copy()
    step()
    assert replica.window.work.batch == TINY.batch // processes
    changed = np.flatnonzero(replica.parameters.flat != before)
    assert 0 < changed.max() < replica.parameters.flat.size // processes
    assert replica.gradient.flat[replica.part].any()


def test_more_cores_are_measured_as_far_as_the_batch_can_be_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(more_cores, "set_threads", lambda count: None)
    results = Results()
    more_cores.more_cores(results, seconds=0, progress=lambda text: None, networks=[TINY])
    assert [measure.what.partition(",")[0] for measure in results.measures] == [
        f"work of one of {processes} processes" for processes in (1, 2)
    ]
    alone, half = results.measures
    assert half.reference_value == alone.value
    assert alone.value
    assert half.value
    assert half.ratio
    assert half.ratio.median == pytest.approx(alone.value / half.value)


def test_growth_has_the_factors_of_its_algebra() -> None:
    base = comparisons.BASE
    twice = {letter: replace(base, **{name: 2 * getattr(base, name)}) for letter, name in comparisons.DOUBLED.items()}
    work = {letter: comparisons.algebra(workload)[0] for letter, workload in twice.items()}
    # Multiplications for a character: W_hh h, W_ih x of a layer above another or of a large vocabulary, and the head,
    # each with its two gradients. The rest is rounding: the table of layer 0, and a step that goes back no further.
    layer, above, head, inputs = 9 * 256**2, 9 * 256**2, 3 * 256 * 65, 9 * 256 * 64
    expected = {
        "B": 2,
        "T": 2,
        "H": (4 * layer + 2 * head) / (layer + head),
        "L": (2 * layer + above + head) / (layer + head),
        "V": (layer + 2 * head + inputs) / (layer + head),
    }
    assert work == pytest.approx(expected, rel=0.03)
    numbers = [comparisons.algebra(twice[letter])[1] for letter in "BT"]
    assert numbers[0] == numbers[1]
    assert 1.5 < numbers[0] < 2  # the parameters do not grow


def test_growth_compares_time_and_memory_with_those_of_the_base(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = ("", *comparisons.DOUBLED)
    rounds = {letter: [10.0 + place, 11.0 + place] for place, letter in enumerate(letters)}
    times = Times(rounds, memory={letter: (50 + place) * 10**6 for place, letter in enumerate(letters)})
    monkeypatch.setattr(comparisons, "duel", lambda *_, **__: times)
    results = Results()
    comparisons.growth(results, rounds=2, seconds=1, progress=lambda text: None)
    assert [measure.what.split(":")[0] for measure in results.measures] == [
        f"{what}, {letter} doubled" for letter in "BTHLV" for what in ("training step", "memory")
    ]
    first, second = results.measures[:2]
    assert (first.value, first.reference_value) == (11.5, 10.5)
    assert first.ratio == Ratio(statistics.median([11 / 10, 12 / 11]), 12 / 11, 11 / 10)
    assert (second.value, second.reference_value, second.unit) == (51, 50, "MB")


def test_sizes_are_read() -> None:
    assert workloads(["rnn", "gru"], ["2x128x50", "1x64x8x10"]) == [
        Workload("rnn", 2, 128, 50, 50),
        Workload("gru", 2, 128, 50, 50),
        Workload("rnn", 1, 64, 8, 10),
        Workload("gru", 1, 64, 8, 10),
    ]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--sizes", "128"], "--sizes: '128' is not written LAYERSxHIDDENxBATCH"),
        (["--sizes", "1x0x3"], "--sizes: '1x0x3' is not"),
        (["--cells", "elman"], "--cells: 'elman' is none of rnn, gru, lstm"),
        (["--against", "theano"], "--against: 'theano' is none of torch, jax, min-char-rnn"),
        (["--losses", "1.6,low"], "--losses: '1.6,low' is not a list of losses"),
        (["--minutes", "0"], "--minutes: 0 is no time to train"),
        (["--what", "quality", "--text", "no-such-text"], "'no-such-text': there is no such file"),
        (["--json", "no/such/place.json"], "no/such/place.json: cannot be written (its directory is missing"),
    ],
)
def test_bad_options_end_with_one_sentence(
    options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *options]) == 2
    assert sentence in capsys.readouterr().err


def test_a_program_that_ends_while_it_is_measured_is_said_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ContenderFailedError("it ended with code -9")

    monkeypatch.setattr(comparisons, "training", fail)
    assert main(["bench"]) == 2
    assert "ended while it was measured (it ended with code -9)" in capsys.readouterr().err


def test_contenders_have_their_turn_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class FakeProcess:
        blas_threads, memory = 1, 1

        def __init__(self, contender: Contender, *_: object) -> None:
            self.name = contender.name
            self.machine: dict[str, object] = {}
            self.versions: dict[str, str] = {}
            self.checks = [1.0]

        def close(self) -> None:
            pass

        def milliseconds(self, what: str, seconds: float) -> float:
            asked.append((self.name, what))
            return len(asked)

    monkeypatch.setattr(duel, "ContenderProcess", FakeProcess)
    entries = [Entry(OURS.name, OURS, TINY), Entry("torch", RIVALS["torch"], TINY)]
    times = duel.duel(Results(), entries, threads=1, rounds=2, seconds=0, floor=True)
    assert asked == [(OURS.name, "task"), (OURS.name, "floor"), ("torch", "task")] * 2
    assert times.rounds == {OURS.name: [1, 4], "torch": [3, 6]}
    assert times.floor == [2, 5]


def test_a_rival_that_dies_in_a_duel_costs_its_own_figures_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class FakeProcess:
        blas_threads, memory, checks = 1, 1, (1.0,)
        machine: ClassVar[dict[str, object]] = {}
        versions: ClassVar[dict[str, str]] = {}

        def __init__(self, contender: Contender, *_: object) -> None:
            self.is_ours, self.turns = contender is OURS, 0

        def close(self) -> None:
            pass

        def milliseconds(self, what: str, seconds: float) -> float:
            self.turns += 1
            if self.turns == 2 and not self.is_ours:
                raise ContenderFailedError("killed")
            return 1.0

    monkeypatch.setattr(duel, "ContenderProcess", FakeProcess)
    results = Results()
    entries = [Entry(OURS.name, OURS, TINY), Entry("torch", RIVALS["torch"], TINY)]
    times = duel.duel(results, entries, threads=1, rounds=3, seconds=0)
    assert (times.rounds, results.missing) == ({OURS.name: [1.0] * 3}, {"torch": "killed"})


def test_ratios_are_by_pair_and_by_character() -> None:
    entries = [Entry(name, Contender(name, ""), TINY) for name in (OURS.name, "slow", "fast")]
    entries.append(Entry("single", Contender("single", "", same_model=False), Workload("gru", 2, 8, 1, 5)))
    rounds = {OURS.name: [1.0, 2.0], "slow": [5.0, 6.0], "fast": [2.0, 3.0], "single": [1.0, 1.0]}
    comparison = compare(entries, Times(rounds, [0.5, 0.5]))
    assert comparison.faster_rival == "fast"
    assert comparison.ratios["fast"].median == pytest.approx(1.75)
    assert (comparison.ratios["single"].low, comparison.ratios["single"].high) == (1.5, 3.0)
    assert (comparison.floor_share.low, comparison.floor_share.high) == (0.25, 0.5)
    assert [(row.contender, row.floor_ms, row.spread) for row in comparison.rows] == [
        (OURS.name, 0.5, 1.0),
        ("slow", 0.5, 1.0),
        ("fast", 0.5, 1.0),
        ("single", None, 0.0),
    ]


def test_a_whole_run_in_processes_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "bench.json"
    options = ["--against", "min-char-rnn", "--cells", "rnn", "--sizes", "1x8x4x5", "--threads", "1"]
    assert main(["bench", *options, "--rounds", "2", "--seconds", "0.01", "--json", str(target)]) == 0
    found = json.loads(target.read_text())
    ours, theirs = found["rows"]
    shape = {"cell": "rnn", "layers": 1, "hidden": 8, "seq": 5}
    assert ours.items() >= {**shape, "contender": "charrnn-tui", "batch": 4}.items()
    assert theirs.items() >= {**shape, "contender": "min-char-rnn", "batch": 1, "floor_ms": None}.items()
    assert 0 < ours["floor_ms"] < ours["ms_per_step"]
    assert found["machine"]["threads"] == found["comparisons"][0]["blas_threads"] == 1
    printed = capsys.readouterr().out
    assert found["machine"]["kernel"] in printed
    assert f"{ours['ms_per_step']:.2f} ({ours['spread']:.2f})" in printed


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RIVALS, "jax", Contender("jax", "engine.bench.jax_contender", "no_such_package"))
    results = run(Plan(against=["jax"], cells=["rnn"], sizes=["1x4x2x3"], threads=1, rounds=1, seconds=0.01))
    assert results.missing == {"jax": "no_such_package is not installed"}
    assert "jax is missing: no_such_package is not installed" in report(results)


def test_a_rival_that_can_do_none_of_it_is_named() -> None:
    results = run(Plan(against=["min-char-rnn"], cells=["gru"], sizes=["1x4x2x3"], threads=1, rounds=1, seconds=0.01))
    assert "min-char-rnn is missing: it does the plain RNN with one layer only" in report(results)


def test_a_contender_that_fails_says_why() -> None:
    with pytest.raises(ContenderFailedError, match="has no attribute 'juggling'"):
        ContenderProcess(OURS, "juggling", TINY, 1)


PARROT = """
import sys, tty
tty.setraw(0)
sys.stdout.write("ready\\r\\n")
sys.stdout.flush()
while (key := sys.stdin.read(1)) != "q":
    sys.stdout.write(f"you pressed {key}\\r\\n" if key != "x" else "\\r\\n")
    sys.stdout.flush()
"""


def whole_line(chunk: bytes) -> bool:
    return chunk.endswith(b"\n")


@pytest.fixture
def parrot() -> Iterator[Terminal]:
    pytest.importorskip("pyte")
    with contextlib.closing(Terminal([sys.executable, "-c", PARROT], 40, 10, os.environ)) as terminal:
        terminal.watch(120, until=whole_line)
        yield terminal


def test_terminal_tells_what_was_on_the_screen_and_when(parrot: Terminal) -> None:
    assert parrot.last_screen()[0].rstrip() == "ready"
    pressed = parrot.press("a")
    parrot.watch(120, until=whole_line)
    when, screen = list(parrot.screens(after=pressed))[-1]
    assert screen[1].rstrip() == "you pressed a"
    assert when > pressed


def test_a_key_that_the_screen_never_shows_is_lost(parrot: Terminal) -> None:
    presses = []
    for key in "axb":
        presses.append((parrot.press(key), lambda screen, key=key: f"you pressed {key}" in "\n".join(screen)))
        parrot.watch(120, until=whole_line)
    first, lost, last = delays(parrot, presses)
    assert 0 < first < 120
    assert lost == math.inf
    assert 0 < last < 120


def test_what_has_the_number_of_a_closed_terminal_stays_open() -> None:
    terminal = Terminal([sys.executable, "-c", ""], 80, 24, os.environ)
    reader, writer = os.pipe()  # one of them has the number of the end that was closed at the start
    terminal.kill()
    terminal.kill()
    os.close(reader)
    os.close(writer)


def test_waiting_for_a_program_that_ended_says_what_it_said(parrot: Terminal) -> None:
    parrot.press("aq")
    with pytest.raises(ProgramEndedError, match="you pressed a"):
        watch_until(parrot, lambda: False, 0.01)


@pytest.mark.parametrize(
    ("line", "step"), [(" step 12,400   epoch 17.8", 12400), (" step 0  epoch 0.0", 0), ("no number here", 0)]
)
def test_step_is_read_off_the_screen(line: str, step: int) -> None:
    assert step_shown(["charrnn-tui", line]) == step


@pytest.mark.parametrize(("load", "warned"), [(3.2, True), (0.1, False), (None, False)])
def test_a_busy_machine_is_no_place_to_measure(load: float | None, warned: bool) -> None:
    machine = dict.fromkeys(("cpu", "blas", "kernel", "system"), "some") | {"threads": 2, "cores": 2, "load": load}
    assert ("cannot be trusted" in report(Results(machine))) == warned
