"""The dashboard as a person has it: five panes, keys, a prompt, another size of the window."""

from __future__ import annotations

import shlex
from pathlib import Path

from engine.runs.listing import list_runs
from engine.runs.reader import RunReader
from engine.runs.status import read_state
from tests.e2e.boxes import boxes, titles, until_alone
from tests.e2e.conftest import Open
from tests.e2e.program import PHYSICS, PROGRAM, SMALL, assert_saved, environment, run, steps
from tests.e2e.terminal import NARROW, WIDE, Terminal

BROAD = (200, 60)
PANES = ["Loss", "Samples", "Gradients", "Connectivity", "Cells"]
MARK = "▒"  # nothing that the program draws


def pause(terminal: Terminal, run_directory: Path) -> int:
    """The step at which the run stands, once the screen shows it."""
    terminal.type(" ")
    terminal.until_shown("‖ paused")
    at = int(terminal.until(lambda: RunReader(run_directory).state == "paused" and read_state(run_directory).step))
    terminal.until(lambda: terminal.step == at, "the step at which it was paused")
    return at


def until_panes(terminal: Terminal, count: int) -> None:
    terminal.until(lambda: len(boxes(terminal)) == count, "all frames")


def test_five_panes_and_numbers_that_move(open_terminal: Open) -> None:
    terminal = open_terminal(*PHYSICS)
    terminal.until(lambda: sorted(titles(terminal)) == sorted(PANES), "five panes")
    terminal.until_shown("▶ training")
    seen = terminal.until(lambda: max(terminal.step, 0), "a step")
    terminal.until(lambda: terminal.step > seen, "another step")
    terminal.until_shown("q quit")


def test_at_80_by_24_every_pane_can_be_reached_and_nothing_is_cut_off(open_terminal: Open) -> None:
    terminal = open_terminal(*PHYSICS, size=NARROW)
    terminal.until(lambda: terminal.step > 0, "a step")
    terminal.until_shown("q quit")
    for number, name in enumerate(PANES, 1):
        terminal.until_shown(f"{number} {name}")
    for name in [*PANES[1:], PANES[0]]:
        terminal.type("\t")
        until_alone(terminal, name)
        (box,) = boxes(terminal)
        assert (box.left, box.right) == (0, 79)
        assert box.bottom == 22, "the pane and the keys below it take the whole screen"
    assert terminal.lines[0].rstrip().endswith("▶ training")


def test_space_pauses_and_goes_on_and_a_full_stop_makes_one_step(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal(*PHYSICS, "--run", "it")
    terminal.until(lambda: terminal.step > 0, "a step")
    at = pause(terminal, tmp_path / "it")
    terminal.read(0.5)
    assert terminal.step == at
    terminal.type(".")
    terminal.until(lambda: terminal.step == at + 1, "a step")
    terminal.type(".")
    terminal.until(lambda: terminal.step == at + 2, "another step")
    terminal.type("...")
    terminal.until(lambda: terminal.step == at + 5, "three steps more")
    terminal.read(0.5)
    assert terminal.step == at + 5
    terminal.type(" ")
    terminal.until(lambda: terminal.step > at + 5, "training")
    assert "▶ training" in terminal.text


def test_a_prompt_is_coloured_while_training_goes_on(open_terminal: Open) -> None:
    terminal = open_terminal(*PHYSICS)
    terminal.until(lambda: terminal.step > 0, "a step")
    terminal.type("pquite a longs")  # q, d and s would quit, detach and save
    row = terminal.until(
        lambda: next((row for row, line in enumerate(terminal.lines) if "› quite a longs" in line), 0), "the prompt"
    )
    start = terminal.lines[row].index("› quite a longs") + 2

    def colours() -> set[str]:
        return {terminal.screen.buffer[row][start + place].bg for place in range(len("quite a longs"))}

    terminal.until(lambda: len(colours()) > 2, "colours")
    at = terminal.step
    terminal.until(lambda: terminal.step > at, "training meanwhile")
    terminal.type("\x1b")
    terminal.until_shown("q quit")
    terminal.type(" ")
    terminal.until_shown("‖ paused")


def test_other_sizes_leave_no_debris(open_terminal: Open, tmp_path: Path) -> None:
    """Whatever a terminal leaves where, all of it is drawn over, and the same size shows the same again."""
    terminal = open_terminal(*PHYSICS, "--run", "it")
    terminal.until(lambda: terminal.step > 20, "some steps")
    at = pause(terminal, tmp_path / "it")
    # What the instruments see is renewed one after the other, and then stands still.
    terminal.until(lambda: terminal.text.count(f"step {at:,}") == 4, "answers for this step")
    # A sample that is being written has a caret after its last character. Curves and bars have such blocks too.
    terminal.until(lambda: not any("▌" in line[WIDE[0] // 2 :] for line in terminal.lines[2:12]), "a whole sample")
    shown = {WIDE: terminal.settle()}
    for size in (BROAD, NARROW, BROAD, WIDE, NARROW):
        terminal.resize(size)
        terminal.scribble(MARK)
        terminal.until(lambda: MARK not in terminal.text, "a drawn screen")
        if size in shown:
            terminal.until_same(shown[size])
        else:
            until_panes(terminal, 1 if size == NARROW else 5)
            shown[size] = terminal.settle()
    terminal.scribble(MARK)
    terminal.type("\x0c")  # ctrl+l: another program has written on the terminal
    terminal.until_same(shown[NARROW])


def test_a_text_that_comes_through_a_pipe(tmp_path: Path) -> None:
    """The keyboard is the terminal's all the same, and the text is there again when the run is resumed."""
    (tmp_path / "text").write_text("the quick brown fox jumps over the lazy dog\n" * 100)
    command = f"cat text | {shlex.join(PROGRAM)} train - {shlex.join(SMALL)} --run it; exit ${{PIPESTATUS[1]}}"
    terminal = Terminal(["bash", "-c", command], cwd=tmp_path, environment=environment())
    try:
        terminal.until(lambda: terminal.step > 50, "some steps")
        terminal.type("qs")
        assert terminal.wait() == 0
        terminal.assert_left_clean()
    finally:
        terminal.close()
    (tmp_path / "text").unlink()
    further = max(steps(tmp_path / "it")) + 20
    resumed = run("train", "--resume", "it", "--headless", "--steps", str(further), cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr.decode()


def test_a_new_run_from_the_form_ends_and_keeps_the_one_before(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal(*PHYSICS, "--run", "first")
    terminal.until(lambda: terminal.step > 50, "some steps")
    terminal.type("n")
    terminal.until_shown("Start")
    terminal.type("\x1b")
    terminal.until_shown("q quit")
    terminal.type("n")
    terminal.until_shown("Start")
    terminal.type("\r")
    (second,) = terminal.until(lambda: list_runs(tmp_path / "runs"), "another run")
    terminal.until(lambda: f"run {second.name}" in terminal.lines[0] and steps(second.path), "its steps")
    terminal.until(lambda: RunReader(tmp_path / "first").pid is None, "the end of the one before")
    assert_saved(tmp_path / "first")
    terminal.type("qs")
    assert terminal.wait() == 0
    assert_saved(second.path)


def test_what_cannot_be_opened_leaves_the_terminal_alone(open_terminal: Open) -> None:
    terminal = open_terminal("missing.txt")
    assert terminal.wait() == 2
    assert terminal.output.startswith(b"charrnn-tui: 'missing.txt': there is no such file")
    assert b"\x1b" not in terminal.output
    assert terminal.is_restored
