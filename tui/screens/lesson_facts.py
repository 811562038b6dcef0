"""What a lesson on the brackets language asks of the screen (conditions), and what it writes of it (facts)."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np

from engine.session.messages import Connectivity, Contexts, Feature, Inside
from engine.text.brackets import DEEPEST
from tui.rendering.gradient_windows import ratio
from tui.rendering.inside_numbers import number
from tui.rendering.numbers import nats, percent, signed
from tui.rendering.text import named
from tui.screens.lesson import Condition, Fact, Look

DEPTH = "bracket depth"
NEAR = 0.03  # nats above the entropy, from where on the network has learned to count
NOTABLE = 0.1  # of the largest: a part that is seen in a sum of some
WORTH = 0.01  # nats: an effect that is larger than the noise of a validation

# --- conditions ------------------------------------------------------------------------------------------


def on(place: str, view: str = "") -> Condition:
    """Whether the pane at `place` has the focus, and shows `view`."""
    return lambda look: look.inside is None and look.place == place and view in ("", look.pane_view)


def is_paused(look: Look) -> bool:
    """Whether the run stands still, and can go on."""
    return look.snapshot.state == "paused"


def goes_on(look: Look) -> bool:
    """Whether the run is not paused."""
    return not is_paused(look)


def has_learned(look: Look) -> bool:
    """Whether the validation loss is close to the best that is possible."""
    return look.snapshot.val_loss is not None and look.snapshot.val_loss < entropy(look) + NEAR


def is_cool(look: Look) -> bool:
    """Whether samples are drawn no bolder than the network believes."""
    return look.snapshot.sampling is not None and look.snapshot.sampling.temperature <= 1


def shows_first_moment(look: Look) -> bool:
    """Whether the gradients on the screen are those of the first weights, and were asked for as such."""
    snapshot = look.snapshot
    return look.moment == snapshot.moment == 0 and snapshot.gradients is not None


def goes_straight(look: Look) -> bool:
    """Whether the gradient of the chosen unit reaches the time step before past all weights, beside that of others."""
    straight = np.abs(taken_apart(look).values["straight"])
    return bool(straight[look.unit] >= NOTABLE * straight.max())


def shows_where(look: Look) -> bool:
    """Whether the classes of the loss are there."""
    return look.snapshot.where is not None


def follows_depth(look: Look) -> bool:
    """Whether the contexts are of the bracket depth, and of a unit that follows it better than chance explains."""
    contexts = look.snapshot.contexts
    return (
        contexts is not None
        and contexts.feature == DEPTH
        and abs(contexts.correlation[contexts.unit]) > contexts.chance
    )


def is_sorted(look: Look) -> bool:
    """Whether the map is sorted by how well units follow the bracket depth, and one of them does."""
    cells = look.snapshot.cells
    if cells is None or look.view.cells_sort != DEPTH:
        return False
    best = [each.unit for each in cells.best if each.name == DEPTH]
    return bool(best) and best[0] is not None and best[0] == cells.order[0]


# --- facts -----------------------------------------------------------------------------------------------


T = TypeVar("T")


def there(answer: T | None) -> T:
    """`answer`; raises `LookupError` if there is none."""
    if answer is None:
        raise LookupError
    return answer


def entropy(look: Look) -> float:
    """The best loss that is possible on the text, in nats per character."""
    return look.info.entropy or 0.0


def _oracle(look: Look) -> float:
    """The loss of the true probabilities on the characters that a validation measures, nats."""
    return there(look.snapshot.best_val_loss) - there(look.snapshot.regret)


def _shrinking(look: Look) -> float:
    """By what the gradient is divided between the last time step and the first, in the median window."""
    return 1 / ratio(there(look.snapshot.gradients)).median


def _steps_back(look: Look) -> int:
    return int(look.info.config["seq"]) - 1


def _strongest(look: Look) -> int:
    """The place in the prompt that the prediction at its end depends on most."""
    return int(_connectivity(look).matrix[-1].argmax())


def _connectivity(look: Look) -> Connectivity:
    return there(look.snapshot.connectivity)


def _blanks(look: Look) -> tuple[float, float]:
    """The shares of blanks, of the characters and of the loss."""
    where = there(look.snapshot.where)
    place = where.classes.index("blank")
    return float(where.share[place]), float(where.loss_share[place])


def contexts_of(look: Look) -> Contexts:
    """The contexts that are shown."""
    return there(look.snapshot.contexts)


def taken_apart(look: Look) -> Inside:
    """The step that is taken apart on the screen."""
    return there(look.inside)


def counting(look: Look) -> Feature:
    """The unit that follows the bracket depth best, with its correlation and what chance explains."""
    return there(next((each for each in there(look.snapshot.cells).best if each.name == DEPTH), None))


def effect(look: Look) -> float:
    """What the held unit does to the validation loss, nats; NaN while it is not known."""
    cells = look.snapshot.cells
    return math.nan if cells is None or cells.clamp_effect is None else cells.clamp_effect


def held(look: Look) -> int:
    """How many units of the layer on the map are held."""
    return len(look.snapshot.cells.clamped) if look.snapshot.cells is not None else 0


def holds_one_at_most(look: Look) -> bool:
    """Whether what the validation says is of one unit alone."""
    return held(look) <= 1


def _verdict(look: Look) -> str:
    if not holds_one_at_most(look):
        return "all of them together do that"
    if effect(look) > WORTH:
        return "the network counts with it"
    return "the network can do without it: others count, too"


FACTS: dict[str, Fact] = {
    "characters": lambda look: str(len(look.info.vocabulary)),
    "guessing": lambda look: f"{math.log(len(look.info.vocabulary)):.2f}",
    "questions": lambda look: f"{math.log2(len(look.info.vocabulary)):.2g}",
    "deepest": lambda look: str(DEEPEST),
    "oracle": lambda look: f"{_oracle(look):.3f}",
    "val": lambda look: nats(look.snapshot.val_loss),
    "goal": lambda look: f"{entropy(look) + NEAR:.2f}",
    "step": lambda look: f"{look.snapshot.step:,}",
    "read": lambda look: f"{look.info.config['batch'] * look.info.config['seq']:,}",
    "window": lambda look: str(look.info.config["seq"]),
    "weights": lambda look: f"{look.info.parameters:,}",
    "last": lambda look: str(_steps_back(look)),
    "shrinking": lambda look: f"{float(f'{_shrinking(look):.2g}'):,.6g}",
    "factor": lambda look: f"{_shrinking(look) ** (-1 / _steps_back(look)):.2f}",
    "unit": lambda look: str(look.unit),
    "here": lambda look: str(taken_apart(look).position),
    "before": lambda look: str(taken_apart(look).position - 1),
    "straight": lambda look: number(float(taken_apart(look).values["straight"][look.unit])),
    "gate": lambda look: number(float(taken_apart(look).values["step.z"][look.unit])),
    "predicted": lambda look: named(_connectivity(look).targets[-1]),
    "strongest": lambda look: named(_connectivity(look).prompt[_strongest(look)]),
    "distance": lambda look: str(len(_connectivity(look).prompt) - 1 - _strongest(look)),
    "blanks": lambda look: percent(_blanks(look)[0]),
    "blanks-loss": lambda look: percent(_blanks(look)[1]),
    "where-loss": lambda look: f"{there(look.snapshot.where).loss:.3f}",
    "follower": lambda look: str(contexts_of(look).unit),
    "r": lambda look: signed(float(contexts_of(look).correlation[contexts_of(look).unit])),
    "chance": lambda look: f"{contexts_of(look).chance:.2f}",
    "units": lambda look: str(look.info.config["hidden"]),
    "counting": lambda look: str(counting(look).unit),
    "counting-r": lambda look: signed(counting(look).correlation),
    "held": lambda look: "the unit" if holds_one_at_most(look) else f"{held(look)} units",
    "effect": lambda look: signed(effect(look), 3),
    "verdict": _verdict,
}
