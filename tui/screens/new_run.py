"""The form for a new run: every setting, one to a line, with what it may be, or what is wrong with it."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Select, Static

from engine.config import CHOICES, PRESETS, Config, ConfigError, from_mapping
from engine.errors import UserError

KEPT = ("text", "encoding", "validation", "seed", "threads", "workers", "steps")  # by a preset that does not name them

GROUPS: dict[str, dict[str, str]] = {
    "Text": {
        "text": "names or paths, spaces between",
        "encoding": "of the files",
        "validation": "share kept for validation",
    },
    "Network": {
        "cell": "",
        "layers": "one above the other",
        "hidden": "units in each layer",
        "input": "how a character enters",
        "embedding": "width of the embedding",
        "dropout": "between layers",
        "init": "of the weights: uniform, normal:STD",
        "loss": "of every step, or the last one only",
    },
    "Training": {
        "optimizer": "",
        "lr": "learning rate",
        "schedule": "step:EVERY:FACTOR, cosine:STEPS …",
        "clip": "none, norm:MAX, value:MAX",
        "batch": "sequences side by side",
        "seq": "time steps in a window",
        "steps": "where to end; empty is never",
    },
    "Machine": {
        "seed": "the same seed, the same numbers",
        "threads": "of the BLAS; 0: measured",
        "workers": "processes; 0: measured",
    },
}


class SettingRow(Horizontal):
    """Name, value, and beside them a hint or the problem."""

    def __init__(self, setting: str, value: str, hint: str) -> None:
        self.setting = setting
        self._hint = hint
        choices = CHOICES.get(setting)
        self._editor: Select[str] | Input = (
            Select([(choice, choice) for choice in choices], value=value, allow_blank=False, compact=True)
            if choices
            else Input(value, compact=True, select_on_focus=False)
        )
        self._note = Static(hint, classes="note", markup=False)
        super().__init__()

    def compose(self) -> ComposeResult:
        """Three columns."""
        yield Label(self.setting)
        yield self._editor
        yield self._note

    @property
    def value(self) -> str:
        """What was chosen or typed."""
        return str(self._editor.value)

    @value.setter
    def value(self, value: str) -> None:
        self._editor.value = value

    def complain(self, problem: str | None) -> None:
        """Show a problem in place of the hint, or the hint again."""
        self.set_class(problem is not None, "-wrong")
        self._note.update(problem or self._hint)

    def enter(self) -> None:
        """Put the cursor here."""
        self._editor.focus()


class NewRunScreen(ModalScreen[None]):
    """Starts a run by way of `begin`, which may refuse it with `UserError`, and closes when that succeeded.

    `ends` names the run that goes for it, if one does.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "start", "start", tooltip="Start the run", id="form.start", priority=True),
        Binding("escape", "cancel", "cancel", tooltip="Back to the run on the screen", id="form.cancel"),
        Binding("down", "app.focus_next", "next", show=False, id="form.next"),
        Binding("up", "app.focus_previous", "previous", show=False, id="form.previous"),
    ]
    AUTO_FOCUS = "SettingRow Input"

    def __init__(self, config: Config, begin: Callable[[Config], Awaitable[None]], ends: str = "") -> None:
        self._begin = begin
        self._ends = ends
        values = plain(config.to_json())
        self._rows = {
            name: SettingRow(name, values[name], hint) for group in GROUPS.values() for name, hint in group.items()
        }
        super().__init__()

    def compose(self) -> ComposeResult:
        """Presets, settings by group, the line for what is wrong as a whole, buttons."""
        with Vertical(id="form") as form:
            form.border_title = "New run"
            form.border_subtitle = f"{self._ends} is saved and ends when this one starts" if self._ends else ""
            with VerticalScroll(can_focus=False):
                with Horizontal(id="presets"):
                    yield Label("preset")
                    yield Select([(name, name) for name in PRESETS], prompt="none", compact=True, id="preset")
                    yield Static("fills in the settings below", classes="note")
                for title, group in GROUPS.items():
                    yield Label(title, classes="group")
                    yield from (self._rows[name] for name in group)
            yield Static(id="refusal", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Start  [dim]enter[/]", variant="primary", compact=True, id="start")
                yield Button("Cancel  [dim]esc[/]", compact=True, id="cancel")

    def on_select_changed(self, event: Select.Changed) -> None:
        """A preset was chosen: fill in what it says."""
        if event.select.id == "preset" and event.value in PRESETS:
            preset = PRESETS[str(event.value)]
            for name, value in plain(Config().to_json() | preset).items():
                if name in preset or name not in KEPT:
                    self._rows[name].value = value

    def on_input_submitted(self) -> None:
        """Enter."""
        self.action_start()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The mouse's way."""
        if event.button.id == "start":
            self.action_start()
        else:
            self.action_cancel()

    def action_cancel(self) -> None:
        """Back to the run on the screen."""
        self.dismiss()

    def action_start(self) -> None:
        """Check the settings, and start if they are in order."""
        try:
            config = read({name: row.value for name, row in self._rows.items()})
        except ConfigError as error:
            self._refuse(error.problems)
        else:
            self._refuse({})
            self.run_worker(self._start(config), exclusive=True)

    async def _start(self, config: Config) -> None:
        start, refusal = self.query_one("#start", Button), self.query_one("#refusal", Static)
        start.disabled = True
        refusal.update("Starting …")
        try:
            await self._begin(config)
        except ConfigError as error:
            self._refuse(error.problems)
        except UserError as error:
            refusal.update(str(error))
        else:
            self.dismiss()
        start.disabled = False

    def _refuse(self, problems: Mapping[str, str]) -> None:
        for name, row in self._rows.items():
            row.complain(problems.get(name))
        elsewhere = [f"{name}: {text}" for name, text in problems.items() if name not in self._rows]
        self.query_one("#refusal", Static).update("; ".join(elsewhere))
        for name in problems:
            if name in self._rows:
                self._rows[name].enter()
                break


def plain(values: Mapping[str, Any]) -> dict[str, str]:
    """Settings as a form shows them: several texts on one line, nothing for None."""
    texts = {"text": shlex.join(values["text"])} if "text" in values else {}
    return {name: "" if value is None else str(value) for name, value in values.items()} | texts


def read(fields: Mapping[str, str]) -> Config:
    """The settings that a form shows. Raises `ConfigError` with the problems by field."""
    values: dict[str, Any] = dict(fields)
    try:
        values["text"] = shlex.split(fields["text"])
    except ValueError:
        values["text"] = fields["text"].split()
    return from_mapping({name: value.strip() if isinstance(value, str) else value for name, value in values.items()})
