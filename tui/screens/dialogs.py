"""Questions about a run, with their answers as buttons."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Label

from tui.panes import keys
from tui.rendering.text import visible_text
from tui.terminal.hasty_input import OverScreen


class Answer(NamedTuple):
    """What the dialog returns, the words on the button, and the key that does the same."""

    name: str
    label: str
    key: str


STAY = Answer("stay", "Stay", "escape")
OWN = (
    Answer("save", "Save and quit", "s"),
    Answer("detach", "Leave it running", "d"),
    Answer("discard", "Quit", "x"),
    STAY,
)
DETACHED = (Answer("leave", "Leave it running", "d"), Answer("save", "Save, stop it and quit", "s"), STAY)
SWEEP = (
    Answer("save", "Save and quit", "s"),
    Answer("detach", "Leave it running", "d"),
    STAY,
)
REMOVE = (Answer("keep", "Keep it", "escape"), Answer("remove", "Remove it", "x"))
STOP = (Answer("go on", "Let it go on", "escape"), Answer("stop", "Save and stop it", "x"))


LESSON = (STAY, Answer("begin", "Save it, and begin the lesson", "s"))


class Dialog(OverScreen[str]):
    """A question that returns the name of the chosen answer. The first answer, the most harmless, has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.DIALOG]

    def __init__(self, question: str, answers: Iterable[Answer]) -> None:
        self._question = question
        self._by_key = {answer.key: answer for answer in answers}
        super().__init__()

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(self._question, markup=False)
            with Horizontal():
                for place, (key, answer) in enumerate(self._by_key.items()):
                    label = f"{answer.label} ({'esc' if key == 'escape' else key})"
                    yield Button(label, name=answer.name, variant="default" if place else "primary", compact=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "choose" or parameters[0] in self._by_key

    def action_choose(self, key: str) -> None:
        self.dismiss(self._by_key[key].name)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.name)


class QuitDialog(Dialog):
    """What becomes of the run when the user leaves? `q`, which opens it, also chooses the first answer."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.QUIT_DIALOG]

    def __init__(self, *, goes_on: bool, can_detach: bool = False, to_list: bool = False) -> None:
        """`to_list` says that the user comes back to a list of runs, and does not leave the program."""
        answers = DETACHED if goes_on else tuple(each for each in OWN if can_detach or each.name != "detach")
        if to_list:
            words = [each.label.replace("quit", "go back").replace("Quit", "Go back") for each in answers]
            answers = tuple(Answer(each.name, label, each.key) for each, label in zip(answers, words, strict=True))
        end = "with this screen" if to_list else "with the program"
        super().__init__("The run goes on without this screen." if goes_on else f"The run ends {end}.", answers)

    def action_choose_first(self) -> None:
        self.action_choose(next(iter(self._by_key)))


class StopDialog(Dialog):
    """Should a live run from the list stop?"""

    def __init__(self, run: str) -> None:
        super().__init__(f"Stop {visible_text(run)}? It saves first.", STOP)


class QuitSweepDialog(Dialog):
    """What becomes of a sweep that this program conducts when the user leaves?"""

    def __init__(self) -> None:
        super().__init__("The sweep ends with the program; `sweep --resume` goes on with it.", SWEEP)


class RemoveDialog(Dialog):
    """Should a run from the list be removed from the disk? Asked once, and once more (`is_sure`)."""

    def __init__(self, run: str, *, is_sure: bool) -> None:
        name = visible_text(run)
        question = f"Really? {name} cannot be brought back." if is_sure else f"Remove {name}, its weights and its logs?"
        super().__init__(question, REMOVE)


class LessonDialog(Dialog):
    """Should the run on the screen end for the lesson?"""

    def __init__(self, run: str) -> None:
        super().__init__(f"The lesson trains a small network of its own, and {visible_text(run)} ends for it.", LESSON)
