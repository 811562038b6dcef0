"""The help: what the keys do, and how to read the screen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Markdown, Static

from tui.panes import keys
from tui.terminal.hasty_input import OverScreen

KEY_WIDTH = 10

ABOUT_KEYS = """\
# Keys

These keys work in every pane, except while you type. `ctrl+p` finds any key by its name. `ctrl+z` returns
to the shell, and `fg` comes back. `ctrl+l` paints the screen again. `=` chooses which panes are seen; two at once
need 100×24 or 80×40, more need 110×32. New here? `ctrl+p`, then *lesson*: ten steps over a live network.

**Mouse**: the wheel zooms a chart at the pointer, and elsewhere walks through moments, units or samples; dragging pans
a chart, or selects text and copies it. A click sets the cursor or the caret, or chooses a unit or a candidate. With
`shift` held, most terminals select by themselves.

**Take along**: `y` copies what the pane with the focus says; `Y` writes a picture of it into the run's directory, and
`ctrl+y` one of the whole screen.

**One clock**: `(` and `)` take all panes to an earlier *moment* of the run, a step whose weights are kept; all that
they show is then computed with those weights. The header says which step it is. `m` lays now over it, where a pane can;
`end` and `esc` go back to now. The training goes on meanwhile, and does not notice.
"""


class HelpScreen(OverScreen[None]):
    """A page to scroll: sections of a text in Markdown and the keys that belong to it, with a line for each key."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.HELP]

    def __init__(self, sections: Iterable[tuple[str, Iterable[BindingType]]]) -> None:
        self._sections = sections
        super().__init__()

    def compose(self) -> ComposeResult:
        with VerticalScroll() as page:
            page.border_title = "Help"
            page.border_subtitle = "↑ ↓ scroll · esc close"
            for text, keys in self._sections:
                yield Markdown(text)
                yield Static(_list_of(keys, self.app), classes="keys")

    def action_down(self) -> None:
        self.query_one(VerticalScroll).scroll_down(animate=False)

    def action_up(self) -> None:
        self.query_one(VerticalScroll).scroll_up(animate=False)


def _list_of(keys: Iterable[BindingType], app: App[Any]) -> Content:
    lines = [(app.get_key_display(binding), binding.tooltip) for binding in Binding.make_bindings(keys)]
    return Content("\n").join(
        Content.assemble((key.rjust(KEY_WIDTH), "bold $footer-key-foreground"), f"  {what}") for key, what in lines
    )
