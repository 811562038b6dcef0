"""The form for a new run: one line for each setting, with its help, or with an error if its value is bad."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Label, Select, Static

from engine.config import PRESETS, Config, from_mapping
from engine.errors import ConfigError, UserError
from engine.printable import printable
from engine.setting import Setting, settings_of
from tui.panes import keys
from tui.rendering.text import visible_text
from tui.terminal.hasty_input import OverScreen


class SettingRow(Horizontal):
    """The name of a setting, its value, and beside them its help, or an error if the value is bad."""

    def __init__(self, setting: Setting, value: str) -> None:
        self.setting = setting
        self.editor: Select[str] | Input = (
            Select([(choice, choice) for choice in setting.choices], value=value, allow_blank=False, compact=True)
            if setting.choices
            else Input(value, compact=True, select_on_focus=False)
        )
        self._note = Static(setting.help, classes="note", markup=False)
        super().__init__()

    def compose(self) -> ComposeResult:
        yield Label(self.setting.name)
        yield self.editor
        yield self._note

    @property
    def value(self) -> str:
        return str(self.editor.value)

    @value.setter
    def value(self, value: str) -> None:
        self.editor.value = value

    def complain(self, problem: str | None) -> None:
        """Show a problem in place of the help, or the help again."""
        self.set_class(problem is not None, "-wrong")
        self._note.update(printable(problem or self.setting.help))


class NewRunScreen(OverScreen[None]):
    """Starts a run with `begin`, which may refuse it with a `UserError`, and closes once the run has begun.

    `config` fills in the fields, and its class defines them. `ends` names the run that ends when the new one begins.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*keys.FORM]
    AUTO_FOCUS = "SettingRow Input"

    def __init__(self, config: Config, begin: Callable[[Config], Awaitable[None]], ends: str = "") -> None:
        self._begin = begin
        self._ends = ends
        self._is_starting = False
        self._defaults = type(config)()
        values = plain(config.to_json())
        self._rows = {name: SettingRow(each, values[name]) for name, each in settings_of(type(config)).items()}
        super().__init__()

    def compose(self) -> ComposeResult:
        with Vertical(id="form") as form:
            form.border_title = "New run"
            if self._ends:
                form.border_subtitle = Content(f"{visible_text(self._ends)} is saved and ends when this one starts")
            with VerticalScroll(can_focus=False):
                with Horizontal(id="presets"):
                    yield Label("preset")
                    yield Select([(name, name) for name in PRESETS], prompt="none", compact=True, id="preset")
                    yield Static("fills in the settings below", classes="note")
                for group, rows in itertools.groupby(self._rows.values(), lambda row: row.setting.group):
                    yield Label(group.capitalize(), classes="group")
                    yield from rows
            yield Static(id="refusal", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Start  [dim]enter[/]", variant="primary", compact=True, id="start")
                yield Button("Cancel  [dim]esc[/]", compact=True, id="cancel")

    def on_select_changed(self, event: Select.Changed) -> None:
        """Fill in the settings of a preset."""
        if event.select.id == "preset" and event.value in PRESETS:
            preset = PRESETS[str(event.value)]
            for name, value in plain(self._defaults.to_json() | preset).items():
                if name in preset or not self._rows[name].setting.kept:
                    self._rows[name].value = value

    def on_input_submitted(self) -> None:
        self.action_start()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "start":
            self.action_start()
        else:
            self.action_cancel()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action not in ("start", "cancel") or not self._is_starting

    def action_cancel(self) -> None:
        if not self._is_starting:
            self.dismiss()

    def action_start(self) -> None:
        """Start the run, unless a setting is wrong."""
        if self._is_starting:
            return
        try:
            config = read({name: row.value for name, row in self._rows.items()}, self._defaults)
        except ConfigError as error:
            self._refuse(error.problems)
        else:
            self._refuse({})
            self.run_worker(self._start(config), exclusive=True)

    async def _start(self, config: Config) -> None:
        self._is_starting = True  # from now on it cannot be taken back
        self.refresh_bindings()
        start, refusal = self.query_one("#start", Button), self.query_one("#refusal", Static)
        start.disabled = True
        refusal.update("Starting …")
        try:
            await self._begin(config)
        except ConfigError as error:
            self._refuse(error.problems)
        except UserError as error:
            refusal.update(printable(str(error)))
        else:
            self.dismiss()
        self._is_starting = False
        self.refresh_bindings()
        start.disabled = False

    def _refuse(self, problems: Mapping[str, str]) -> None:
        for name, row in self._rows.items():
            row.complain(problems.get(name))
        elsewhere = [f"{name}: {text}" for name, text in problems.items() if name not in self._rows]
        self.query_one("#refusal", Static).update(printable("; ".join(elsewhere)))
        for name in problems:
            if name in self._rows:
                self._rows[name].editor.focus()
                break


def plain(values: Mapping[str, Any]) -> dict[str, str]:
    """Settings as the form shows them: several texts on one line, None as an empty field."""
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return shlex.join(value)
    return "" if value is None else str(value)


def read(fields: Mapping[str, str], defaults: Config | None = None) -> Config:
    """The settings that the form's fields hold. Raises `ConfigError` with the problem of each bad one."""
    defaults = defaults or Config()
    known = settings_of(type(defaults))
    values = {name: _texts(typed) if known[name].kind is tuple else typed.strip() for name, typed in fields.items()}
    return from_mapping(values, defaults)


def _texts(typed: str) -> list[str]:
    try:
        return shlex.split(typed)
    except ValueError:  # a quote that is not closed is an apostrophe
        return typed.split()
