"""The first lesson: from what the loss is to a hidden unit that counts brackets. Its steps are data.

To write another lesson, write another such file: what its network is (`SETTINGS`), the steps, and the facts that their
texts name. Every number in a text is a fact, computed from what is on the screen.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

from engine.config import Config, from_mapping
from engine.session.messages import Connectivity, Contexts, Feature, Inside, RunInfo
from tui.rendering.gradient_windows import ratio
from tui.rendering.inside_numbers import number
from tui.rendering.numbers import nats, percent
from tui.rendering.text import named
from tui.screens.lesson import Condition, Fact, Look, Step

# A small GRU on the brackets language, of which all is known exactly. It learns slowly enough to be watched.
SETTINGS: dict[str, Any] = {
    "text": ("brackets",), "cell": "gru", "hidden": 15, "embedding": 15, "seq": 10, "lr": 3e-4,
}  # fmt: skip
DEPTH = "bracket depth"
NEAR = 0.03  # nats above the entropy, from where on the network has learned to count
HOTTER = 0.45  # what is added to the temperature by five presses of its key, and a little less
WORTH = 0.01  # nats: an effect that is larger than the noise of a validation
PROMPT = 6  # characters at least
SEEN = 40  # characters of a sample


def settings() -> Config:
    """The settings of the run that the lesson trains."""
    return from_mapping(SETTINGS)


def fits(info: RunInfo) -> bool:
    """Whether the lesson can be given over the run of `info`: such a cell, of one layer, on the brackets language."""
    config = info.config
    return info.entropy is not None and (config["cell"], config["layers"]) == ("gru", 1) and info.held_out > 0


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
    return look.snapshot.val_loss is not None and look.snapshot.val_loss < _entropy(look) + NEAR


def is_cool(look: Look) -> bool:
    """Whether samples are drawn no bolder than the network believes."""
    return look.snapshot.sampling is not None and look.snapshot.sampling.temperature <= 1


def shows_first_moment(look: Look) -> bool:
    """Whether the gradients on the screen are those of the first weights, and were asked for as such."""
    snapshot = look.snapshot
    return look.moment == snapshot.moment == 0 and snapshot.gradients is not None


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


def _entropy(look: Look) -> float:
    return look.info.entropy or 0.0


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


def _contexts(look: Look) -> Contexts:
    return there(look.snapshot.contexts)


def _inside(look: Look) -> Inside:
    return there(look.inside)


def _counting(look: Look) -> Feature:
    """The unit that follows the bracket depth best, with its correlation and what chance explains."""
    return there(next((each for each in there(look.snapshot.cells).best if each.name == DEPTH), None))


def _effect(look: Look) -> float:
    """What the held unit does to the validation loss, nats; NaN while it is not known."""
    cells = look.snapshot.cells
    return math.nan if cells is None or cells.clamp_effect is None else cells.clamp_effect


def _verdict(look: Look) -> str:
    if _effect(look) > WORTH:
        return "the network counts with it"
    return "the network can do without it: others count, too"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


FACTS: dict[str, Fact] = {
    "characters": lambda look: str(len(look.info.vocabulary)),
    "guessing": lambda look: f"{math.log(len(look.info.vocabulary)):.2f}",
    "questions": lambda look: f"{math.log2(len(look.info.vocabulary)):.2g}",
    "entropy": lambda look: f"{_entropy(look):.3f}",
    "val": lambda look: nats(look.snapshot.val_loss),
    "goal": lambda look: f"{_entropy(look) + NEAR:.2f}",
    "step": lambda look: f"{look.snapshot.step:,}",
    "read": lambda look: f"{look.info.config['batch'] * look.info.config['seq']:,}",
    "window": lambda look: str(look.info.config["seq"]),
    "weights": lambda look: f"{look.info.parameters:,}",
    "last": lambda look: str(_steps_back(look)),
    "shrinking": lambda look: f"{float(f'{_shrinking(look):.2g}'):,.6g}",
    "factor": lambda look: f"{_shrinking(look) ** (-1 / _steps_back(look)):.2f}",
    "unit": lambda look: str(look.unit),
    "here": lambda look: str(_inside(look).position),
    "before": lambda look: str(_inside(look).position - 1),
    "straight": lambda look: number(float(_inside(look).values["straight"][look.unit])),
    "predicted": lambda look: named(_connectivity(look).targets[-1]),
    "strongest": lambda look: named(_connectivity(look).prompt[_strongest(look)]),
    "distance": lambda look: str(len(_connectivity(look).prompt) - 1 - _strongest(look)),
    "blanks": lambda look: percent(_blanks(look)[0]),
    "blanks-loss": lambda look: percent(_blanks(look)[1]),
    "where-loss": lambda look: f"{there(look.snapshot.where).loss:.3f}",
    "follower": lambda look: str(_contexts(look).unit),
    "r": lambda look: _signed(float(_contexts(look).correlation[_contexts(look).unit])),
    "chance": lambda look: f"{_contexts(look).chance:.2f}",
    "units": lambda look: str(look.info.config["hidden"]),
    "counting": lambda look: str(_counting(look).unit),
    "counting-r": lambda look: _signed(_counting(look).correlation),
    "effect": lambda look: f"{_effect(look):+.3f}".replace("-", "−"),
    "verdict": _verdict,
}


# --- steps -----------------------------------------------------------------------------------------------


def _raised_temperature(look: Look, began: Look) -> bool:
    """Whether the temperature was raised, and a sample has come of it."""
    before, now, sample = began.snapshot.sampling, look.snapshot.sampling, look.snapshot.sample
    if before is None or now is None or sample is None:
        return False
    return min(now.temperature, sample.temperature) >= before.temperature + HOTTER and len(sample.text) >= SEEN


def _made_one_step(look: Look, began: Look) -> bool:
    return is_paused(look) and look.snapshot.step > began.snapshot.step


def _walked_back(look: Look, began: Look) -> bool:
    """Whether the way back is seen at an earlier time step, with the same weights."""
    now, before = look.inside, began.inside
    if now is None or before is None or not look.way_back:
        return False
    return now.position < before.position and now.step == before.step


def _has_typed(look: Look, began: Look) -> bool:
    answer = look.snapshot.connectivity
    return not look.typing and answer is not None and look.view.prompt == answer.prompt and len(answer.prompt) >= PROMPT


def _chose_another_unit(look: Look, began: Look) -> bool:
    asked, contexts = look.view.cells_unit, look.snapshot.contexts
    return contexts is not None and contexts.feature == DEPTH and contexts.unit == asked != began.view.cells_unit


def _held_the_unit(look: Look, began: Look) -> bool:
    cells = look.snapshot.cells
    held = cells is not None and _counting(began).unit in dict(cells.clamped)
    return held and math.isfinite(_effect(look))


STEPS: tuple[Step, ...] = (
    Step(
        "Loss",
        needs=(
            (on("loss"), "{pane.loss} brings the pane Loss."),
            (on("loss", "curves"), "{pane.view} brings the view *curves* back."),
        ),
        text="How surprised is the network by the next character? −ln p of it is the loss, in nats. It began near "
        "ln {characters} = {guessing}: all {characters} equally likely. It falls because every step moves the weights "
        "a little downhill. {loss.unit} shows bits.",
        done=lambda look, began: look.in_bits != began.in_bits,
    ),
    Step(
        "Samples",
        needs=(
            (
                on("samples"),
                "{guessing} nats are {questions} bits: as many yes-or-no questions as tell {characters} characters "
                "apart. {loss.unit} changes back. Now see what the network writes: {pane.samples} brings Samples.",
            ),
        ),
        text="It draws character after character from its own probabilities. A temperature below 1 favours the likely "
        "ones. Press {samples.hotter} five times, and read the next sample: what surprised the network itself is "
        "underlined.",
        done=_raised_temperature,
    ),
    Step(
        "One step",
        needs=(
            (
                is_cool,
                "Hotter is bolder: less likely characters come through, and brackets that break the rule (*illegal*). "
                "{temp.down} five times makes it cool again.",
            ),
            (is_paused, "How does it learn? Step by step. {run.pause} pauses the training."),
        ),
        text="Paused after step {step}. {run.step} makes one more: it reads {read} characters, follows the loss back "
        "through {window} time steps, and moves {weights} weights by what it found. Watch the step counter.",
        done=_made_one_step,
        lost=goes_on,
    ),
    Step(
        "Gradients",
        needs=(
            (goes_on, "That was one step; it takes thousands. {run.resume} lets the training go on."),
            (
                has_learned,
                "Wait until the network has learned: until the validation loss, val, is below {goal}. Now it is {val}.",
            ),
            (on("gradients"), "{pane.gradients} brings Gradients: how the loss reaches back in time."),
            (on("gradients", "single"), "{pane.view} brings the view *single*."),
        ),
        text="A row for each time step of a window of {window}: how much would the loss of the *last* character change "
        "with h_t, the network's state after step t? ‖G_t‖ is its size. Hold {moment.before} until the header says "
        "step 0: the first weights.",
        done=lambda look, began: shows_first_moment(look),
    ),
    Step(
        "Vanishing",
        needs=(
            (
                lambda look: on("gradients", "single")(look) and shows_first_moment(look),
                "In Gradients ({pane.gradients}), view single: hold {moment.before} until the header says step 0.",
            ),
        ),
        text="Before any learning ‖G_t‖ shrinks {shrinking}-fold from t = {last} to 0. Each step back multiplies it by "
        "∂h_t/∂h_t₋₁, here {last} times by {factor} or so: so the first character gets almost no gradient. "
        "{moment.now} goes back to now.",
        done=lambda look, began: look.moment is None and look.snapshot.moment is None,
    ),
    Step(
        "By hand",
        needs=(
            (lambda look: look.moment is None, "{moment.now} goes back to now."),
            (is_paused, "Let us follow one step back by hand. {run.pause} pauses, so that the numbers stand still."),
            (lambda look: look.inside is not None, "{step.inside} takes one time step apart: every number in it."),
            (
                lambda look: look.way_back,
                "Dim: the cell's equations. Below: the numbers of one unit. {inside.strongest} goes to the unit with "
                "the largest gradient, {inside.turn} to the way back.",
            ),
            (lambda look: _inside(look).position > 0, "{inside.right} goes to a later time step."),
        ),
        text="∂ℓ/∂h of unit {unit} at t = {here}, and what becomes of it. Find *straight* = d_h · z = {straight}: that "
        "much goes to step {before}, past all weights. Press {inside.left}, and find the number in the sum d_h there.",
        done=_walked_back,
    ),
    Step(
        "Connectivity",
        needs=(
            (
                lambda look: look.inside is None,
                "There it is, straight of the step after. The sum of all that comes back and of this step's own loss "
                "is ∂ℓ/∂h_t: back-propagation through time. {inside.close} closes the page.",
            ),
            (goes_on, "{run.resume} lets the training go on."),
            (
                lambda look: on("connectivity")(look) and look.typing,
                "What does a prediction depend on? {prompt.focus} lets you type a text.",
            ),
        ),
        text="Type 1 ( ( 3 with a blank after each, then {connectivity.done}. The warmer a character's colour, and the "
        "larger the digit below, the more the predicted one ▲ would change with it.",
        done=_has_typed,
    ),
    Step(
        "Where the loss is",
        needs=(
            (
                on("loss"),
                "{predicted} depends most on {strongest}, {distance} back. Now: what can be known at all? {pane.loss} "
                "brings Loss.",
            ),
            (on("loss", "where"), "{pane.view} shows where the loss is."),
            (shows_where, "The held-out text is being read. If the run is paused, {run.resume} lets it go on."),
        ),
        text="Blanks are {blanks} of the characters and {blanks-loss} of the loss: certain. The others are fair draws: "
        "no model gets below the entropy on average, {entropy}. This one has {where-loss}: it counts. How? "
        "{pane.cells} brings Cells.",
        done=lambda look, began: on("cells")(look),
    ),
    Step(
        "Contexts",
        needs=(
            (on("cells"), "{pane.cells} brings Cells."),
            (on("cells", "contexts"), "{pane.view} brings the view *contexts*: who follows what in the text?"),
            (
                follows_depth,
                "{contexts.feature} turns to other features of the text: stop when the top line says bracket depth.",
            ),
        ),
        text="▸ Unit {follower} follows the depth: r = {r}. The best of {units} units that know nothing exceeds "
        "{chance} in 5% of cases only. Right: where it is highest and lowest. {contexts.down} goes to the unit below.",
        done=_chose_another_unit,
    ),
    Step(
        "Hold it",
        needs=(
            (on("cells"), "{pane.cells} brings Cells."),
            (on("cells", "map"), "It follows less well. But does the network *use* the best? {pane.view} until *map*."),
            (is_sorted, "{cells.sort} sorts the units: stop when the border says by bracket depth."),
        ),
        text="▸ Unit {counting} is the first, r = {counting-r}. To follow is not to be used. {cells.clamp} holds it at "
        "a fixed value, in samples and in an extra validation: wait for what that says.",
        done=_held_the_unit,
    ),
)
END = (
    "With the unit held, the validation loss changes by {effect} nats: {verdict}. You have seen it learn. "
    "{cells.clamp} frees the unit after a few presses, {app.help} explains each pane, esc ends the lesson."
)
