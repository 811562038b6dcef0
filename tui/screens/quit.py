"""The dialog that asks what becomes of the run when the program is left."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Label

QuitChoice = Literal["save", "detach", "discard", "leave", "stay"]


class _Option(NamedTuple):
    name: QuitChoice
    label: str
    key: str


OWN = (
    _Option("save", "Save and quit", "s"),
    _Option("detach", "Leave it running", "d"),
    _Option("discard", "Quit", "x"),
    _Option("stay", "Stay", "escape"),
)
DETACHED = (
    _Option("leave", "Leave it running", "l"),
    _Option("save", "Save, stop it and quit", "s"),
    _Option("stay", "Stay", "escape"),
)


class QuitDialog(ModalScreen[QuitChoice]):
    """A question and its answers as buttons, the most harmless first; each has a key, too."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "choose('save')", "save", id="quit.save"),
        Binding("d", "choose('detach')", "leave it running", id="quit.detach"),
        Binding("x", "choose('discard')", "quit", id="quit.discard"),
        Binding("l", "choose('leave')", "leave it running", id="quit.leave"),
        Binding("escape", "choose('stay')", "stay", id="quit.stay"),
        Binding("q", "choose_first", "save", id="quit.first"),
        Binding("left", "app.focus_previous", "previous", id="quit.previous"),
        Binding("right", "app.focus_next", "next", id="quit.next"),
    ]

    def __init__(self, *, detached: bool, can_detach: bool = False) -> None:
        own = tuple(option for option in OWN if can_detach or option.name != "detach")
        self.choices = DETACHED if detached else own
        self._question = "The run goes on without this screen." if detached else "The run ends with the program."
        super().__init__()

    def compose(self) -> ComposeResult:
        """The question and the buttons."""
        with Vertical():
            yield Label(self._question)
            with Horizontal():
                for option in self.choices:
                    primary = option is self.choices[0]
                    label = f"{option.label} ({option.key.removesuffix('ape')})"
                    yield Button(label, id=option.name, variant="primary" if primary else "default", compact=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only the answers that have a button can be chosen."""
        return action != "choose" or parameters[0] in [option.name for option in self.choices]

    def action_choose(self, choice: QuitChoice) -> None:
        """Close with this answer."""
        self.dismiss(choice)

    def action_choose_first(self) -> None:
        """The key that opened the dialog, pressed again, chooses the most harmless answer."""
        self.dismiss(self.choices[0].name)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Close with the button's answer."""
        for option in self.choices:
            if option.name == event.button.id:
                self.dismiss(option.name)
