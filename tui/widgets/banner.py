"""A line that stays on the screen. It says what happened to the run, and what the user can do about it."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from engine.session.messages import Event, Failed, Snapshot
from tui.rendering.text import visible_text

_ROLL_BACK = "[@click=screen.roll_back]b go back with half the learning rate[/]"
_AFTER_DIVERGENCE = (
    "It can go on from them at the same learning rate; lower that with `[`, or with `b` when the run diverges again."
)
_BACK, _QUIT = ("back", "esc back"), ("quit", "q quit")


class Banner(Static):
    """Shows the state of a run that has ended or diverged, or a warning; hidden otherwise."""

    def __init__(self) -> None:
        self._failure: Failed | None = None
        self._shown = ""
        super().__init__()
        self.display = False

    def begin(self) -> None:
        """Hide: nothing is known of another run."""
        self._failure = None
        self._shown = ""
        self.display = False

    def hear(self, event: Event) -> None:
        if isinstance(event, Failed):
            self._failure = event

    def show(self, snapshot: Snapshot) -> None:
        """Show the state or the warning of `snapshot`. Without either, hide."""
        severity, text = self._message(snapshot)
        if (shown := f"{severity}:{text}") == self._shown:
            return
        self._shown = shown
        self.display = bool(text)
        self.set_classes(f"-{severity}")
        self.update(Content.from_markup(text) if text else "")

    def _message(self, snapshot: Snapshot) -> tuple[str, str]:
        state, reason = snapshot.state, snapshot.reason
        going_on = "g go on without an end" if state == "finished" else "g go on"
        leaving = _BACK if self.app.check_action("back", ()) else _QUIT
        offers = [
            f"[@click=app.{action}]{words}[/]"
            for action, words in (("go_on", going_on), ("new_run", "n new run"), leaving)
            if self.app.check_action(action, ())
        ]
        if state == "diverged" and snapshot.live:
            offers.insert(0, _ROLL_BACK)
        following = " · ".join(offers)
        if state == "diverged" and not snapshot.live:
            following = f"{_escape(_AFTER_DIVERGENCE)} {following}"
        ended = f"{state.capitalize()} at step {snapshot.step:,}"
        if snapshot.is_out_of_touch:
            return "error", f"{_sentence(f'Out of touch since step {snapshot.step:,}', reason)} {following}"
        match state:
            case "diverged":
                return "error", f"{_sentence('Diverged', reason)} {following}"
            case "failed":
                failure = self._failure
                log = f" The traceback is in {_escape(failure.log)}." if failure and failure.log else ""
                return "error", f"{_sentence(ended, failure.text if failure else reason)}{log} {following}"
            case "crashed":
                return "warning", f"{_sentence(ended, reason)} {following}"
            case "finished" | "stopped":
                return "success", f"{_sentence(ended, reason)} {following}"
        return ("warning", _escape(snapshot.warning)) if snapshot.warning else ("none", "")


def _sentence(what: str, reason: str) -> str:
    return f"[b]{what}:[/] {_escape(reason)}." if reason else f"[b]{what}.[/]"


def _escape(text: str) -> str:
    return visible_text(text).replace("[", "\\[")
