"""The command palette: what the keys do at this moment, findable by its name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from textual.app import App, SystemCommand
from textual.screen import Screen


def commands(app: App[Any], screen: Screen[object]) -> Iterable[SystemCommand]:
    """One command for each key that does something on `screen` now, and those without a key."""
    for active in screen.active_bindings.values():
        binding = active.binding
        if binding.tooltip and active.enabled and not binding.system:
            action = partial(app.run_action, binding.action, active.node)
            yield SystemCommand(binding.tooltip, f"Key: {app.get_key_display(binding)}", action)
    yield SystemCommand("Change the theme", "Dark, light, and others", app.action_change_theme)
    yield SystemCommand(
        "Take a screenshot",
        "Write the screen to a file as SVG",
        lambda: app.set_timer(0.1, app.deliver_screenshot),  # by then the palette is gone from it
    )
