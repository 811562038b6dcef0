"""The first lesson: from what the loss is to a hidden unit that counts brackets. Its steps are data.

To write another lesson, write another such file: what its network is (`SETTINGS`), and the steps. Every number in a
text is a fact of `tui/screens/lesson_facts.py`, computed from what is on the screen.
"""

from __future__ import annotations

import math
from typing import Any

from engine.config import Config, from_mapping
from engine.session.messages import Inside, RunInfo
from tui.screens.lesson import Look, Step
from tui.screens.lesson_facts import (
    DEPTH,
    counting,
    effect,
    follows_depth,
    goes_on,
    goes_straight,
    has_learned,
    holds_one_at_most,
    is_cool,
    is_paused,
    is_sorted,
    on,
    shows_first_moment,
    shows_where,
    taken_apart,
)

# A small GRU on the brackets language, of which all is known exactly. It learns slowly enough to be watched.
SETTINGS: dict[str, Any] = {
    "text": ("brackets",), "cell": "gru", "hidden": 15, "embedding": 15, "seq": 10, "lr": 3e-4,
}  # fmt: skip
HOTTER = 0.45  # what is added to the temperature by five presses of its key, and a little less
PROMPT = 6  # characters at least
COOL = 0.85  # between the usual temperature and what one press of the key makes of it
SEEN = 40  # characters of a sample


def settings() -> Config:
    """The settings of the run that the lesson trains."""
    return from_mapping(SETTINGS)


def fits(info: RunInfo) -> bool:
    """Whether the lesson can be given over the run of `info`: such a cell, of one layer, on the brackets language."""
    config = info.config
    return info.entropy is not None and (config["cell"], config["layers"]) == ("gru", 1) and info.held_out > 0


# --- steps -----------------------------------------------------------------------------------------------


def _raised_temperature(look: Look, began: Look) -> bool:
    """Whether the temperature was raised, and another sample has come of it, not only the end of the one before."""
    before, now, sample = began.snapshot.sampling, look.snapshot.sampling, look.snapshot.sample
    if before is None or now is None or sample is None:
        return False
    is_another = is_paused(look) or began.snapshot.sample is None or sample.step != began.snapshot.sample.step
    return is_another and now.temperature >= before.temperature + HOTTER and len(sample.text) >= SEEN


def _is_as_cool_as_ever(look: Look, began: Look) -> bool:
    """Whether the temperature has not been raised yet: the next sample is counted from the key on."""
    return look.snapshot.sampling is not None and look.snapshot.sampling.temperature < COOL


def _made_one_step(look: Look, began: Look) -> bool:
    return is_paused(look) and look.snapshot.step > began.snapshot.step


def _walked_back(look: Look, began: Look) -> bool:
    """Whether the way back is seen at an earlier time step, with the same weights."""
    now, before = look.inside, began.inside
    if now is None or before is None or not look.way_back:
        return False
    return _is_of_the_same(now, before) and now.position < before.position


def _takes_another_apart(look: Look, began: Look) -> bool:
    """Whether other weights, another text, or a later time step are taken apart than when this began."""
    now, before = look.inside, began.inside
    if now is None or before is None:  # the page is closed, or waits for its answer
        return False
    return not _is_of_the_same(now, before) or now.position > before.position


def _is_of_the_same(now: Inside, before: Inside) -> bool:
    """Whether both are of the same weights and text."""
    return (now.step, now.source, now.sequence) == (before.step, before.source, before.sequence)


def _has_typed(look: Look, began: Look) -> bool:
    answer = look.snapshot.connectivity
    return not look.typing and answer is not None and look.view.prompt == answer.prompt and len(answer.prompt) >= PROMPT


def _chose_another_unit(look: Look, began: Look) -> bool:
    asked, contexts = look.view.cells_unit, look.snapshot.contexts
    return contexts is not None and contexts.feature == DEPTH and contexts.unit == asked != began.view.cells_unit


def _follows_with_another(look: Look, began: Look) -> bool:
    """Whether another unit follows the depth best by now, and none is held yet."""
    cells = look.snapshot.cells
    return cells is not None and not cells.clamped and is_sorted(look) and counting(look).unit != counting(began).unit


def _held_the_unit(look: Look, began: Look) -> bool:
    cells = look.snapshot.cells
    held = cells is not None and counting(began).unit in dict(cells.clamped)
    return held and math.isfinite(effect(look))


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
        lost=_is_as_cool_as_ever,
    ),
    Step(
        "One step",
        needs=(
            (
                is_cool,
                "Hotter is bolder: less likely characters come through, and *illegal* ones: the rule is that a digit "
                "says how many brackets are open, at most {deepest}. {temp.down} five times makes it cool again.",
            ),
            (is_paused, "How does it learn? Step by step. {run.pause} pauses the training."),
        ),
        text="Paused after step {step}. {run.step} makes one more: it reads {read} characters, follows the loss back "
        "through {window} time steps, and moves {weights} weights by what it found. Watch the step counter.",
        done=_made_one_step,
        lost=lambda look, began: goes_on(look),
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
            (lambda look: taken_apart(look).position > 0, "{inside.right} goes to a later time step."),
            (
                goes_straight,
                "Of unit {unit} hardly anything goes straight to step {before}: its gate z is {gate}. "
                "{inside.strongest} goes to another unit.",
            ),
        ),
        text="∂ℓ/∂h of unit {unit} at t = {here}, and what becomes of it. Find *straight* = d_h · z = {straight}: that "
        "much goes to step {before}, past all weights. Press {inside.left}, and find the number in the sum d_h there.",
        done=_walked_back,
        lost=_takes_another_apart,
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
        text="Blanks are {blanks} of the characters and {blanks-loss} of the loss: certain. The rest are fair draws: "
        "even the true probabilities have a loss of {oracle} over all. The network has {where-loss}: it counts. How? "
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
            (
                holds_one_at_most,
                "Several units are held (=), so the figure is of all of them. Choose the others with ↑ ↓, and press "
                "{cells.clamp} until each is free.",
            ),
        ),
        text="▸ Unit {counting} is the first, r = {counting-r}. To follow is not to be used. {cells.clamp} holds it at "
        "a fixed value, in samples and in an extra validation: wait for what that says.",
        done=_held_the_unit,
        lost=_follows_with_another,
    ),
)
END = (
    "With {held} held, the validation loss changes by {effect} nats: {verdict}. You have seen it learn. "
    "{cells.clamp} frees the unit after a few presses, {app.help} explains each pane, esc ends the lesson."
)
