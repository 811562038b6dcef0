"""What a user reads who does not look at the screen: the title of the window, and a notification in a sentence."""

from __future__ import annotations

from engine.session.messages import OVER, Event, Plateau, Snapshot, StateChanged
from tui.rendering.numbers import nats

WHEN = "at its end, at a divergence, and when the validation loss stops falling"


def title(name: str, snapshot: Snapshot) -> str:
    """The run `name`, its running mean loss in nats per character, and its state unless it trains."""
    smoothed = snapshot.history.smoothed
    loss = nats(float(smoothed[-1]) if len(smoothed) else None)
    state = "out of touch" if snapshot.is_out_of_touch else snapshot.state
    return f"{name} · loss {loss}" + ("" if state == "training" else f" · {state}")


def sentence(name: str, event: Event) -> str:
    """What to say of the run `name` after `event`; empty if it is not worth calling the user."""
    match event:
        case StateChanged(state=state, step=step, reason=reason) if state in (*OVER, "diverged"):
            return f"{name}: {state} at step {step:,}" + (f": {reason}" if reason else "")
        case Plateau():
            return f"{name}: {plateau(event)}"
    return ""


def plateau(event: Plateau) -> str:
    """The event in words."""
    return (
        f"the validation loss has not fallen for {event.validations} validations; "
        f"the best one was {nats(event.best_val_loss)} nats"
    )
