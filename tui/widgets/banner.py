"""A line that stays: what happened to the run, and what one can do now."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from engine.messages import Event, Failed, Snapshot
from tui.rendering.text import visible_text

_NEXT = "[@click=app.new_run]n new run[/] · [@click=app.quit]q quit[/]"


class Banner(Static):
    """Hidden while all is well."""

    def __init__(self) -> None:
        self._failure: Failed | None = None
        self._shown = ""
        super().__init__()
        self.display = False

    def begin(self) -> None:
        """Another run is on the screen."""
        self._failure = None

    def hear(self, event: Event) -> None:
        """Keep what a failure said, and where its log is."""
        if isinstance(event, Failed):
            self._failure = event

    def show(self, snapshot: Snapshot) -> None:
        """Say what `snapshot` has to say, if anything."""
        severity, text = self._message(snapshot)
        if (shown := f"{severity}:{text}") == self._shown:
            return
        self._shown = shown
        self.display = bool(text)
        self.set_classes(f"-{severity}")
        self.update(Content.from_markup(text) if text else "")

    def _message(self, snapshot: Snapshot) -> tuple[str, str]:
        at = f"at step {snapshot.step:,}"
        reason = _escape(snapshot.reason)
        match snapshot.state:
            case "diverged":
                back = "[@click=screen.roll_back]b go back with half the learning rate[/]"
                return "error", f"[b]Diverged {at}.[/] {reason}. {back} · {_NEXT}"
            case "failed":
                failure = self._failure
                text = _escape(failure.text) if failure else reason
                log = f" The traceback is in {_escape(failure.log)}." if failure and failure.log else ""
                return "error", f"[b]Failed {at}.[/] {text}.{log} {_NEXT}"
            case "crashed":
                return "warning", f"[b]Crashed {at}.[/] {reason} {_NEXT}"
            case "finished" | "stopped" as state:
                return "success", f"[b]{state.capitalize()} {at}.[/] {reason} {_NEXT}"
        return ("warning", _escape(snapshot.warning)) if snapshot.warning else ("none", "")


def _escape(text: str) -> str:
    return visible_text(text).replace("[", "\\[")
