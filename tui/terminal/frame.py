"""What stands on the screen, as lines."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.strip import Strip


def lines_on_screen(app: App[Any]) -> list[Strip]:
    """The rows of the screen of `app`, each as wide as the screen."""
    return app.screen._compositor.render_strips()
