"""A card for each preset: what is repeated and from where, what to look at and when, what is seen in the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.config import from_mapping, preset_of

CARDS = {
    "under-the-hood": """\
## Preset *under-the-hood*

**It repeats** *Under the hood of RNNs* (2020), the report on ariG23498's code RNN_Viz: a plain RNN in NumPy, with the
size and the rate of Karpathy's min-char-rnn (2015), and a picture of the gradient that reaches each of the 25 time
steps of a window. Only the loss of the last step is trained, one sequence at a time.

**Look at** the gradients (`3`, view *single*) of the step at which the run begins, and at the end of epochs 11, 22
and 33: their weights are kept, and `(` and `)` go from one to the other. Then type a prompt (`p`).

**In the end** you have seen the gradient vanish, and come back most of the way. At first the weights are so small that
it shrinks more than 10¹⁰-fold on its way to t = 0; training makes W_hh larger, and the curve spans fewer powers of ten.
In a prompt, what lies further back gets colour.
""",
    "brackets": """\
## Preset *brackets*

**It repeats** Nilay Shrivastava, *Playing with Recurrent Neural Networks* (2017), with the defaults of its code,
euler16's CharRNN: a GRU that is small enough to read every unit learns nested brackets with their depth.

**Look at** the cells (`5`) from the first minute on: which unit follows the depth, said below the map; its
*contexts* (`v`), and the *portrait*, in which each depth has places of its own. Hold the unit that counts (`H`), and
see what it costs.

**In the end** the validation loss has come down to the entropy, 0.487 nats: nothing can be lower on average. The
sentence below the curves says how far the best loss is from the best possible one.
""",
    "char-rnn": """\
## Preset *char-rnn*

**It repeats** Andrej Karpathy, *The Unreasonable Effectiveness of Recurrent Neural Networks* (2015), with the defaults
of its program, char-rnn: 50 epochs, and from the tenth on each ends with 0.97 times the rate.

**Look at** the samples (`2`): letters and blanks, then words, then lines and dialogue in the form of the text. `(` and
`)` show the same network at earlier moments.

**In the end** compare the validation loss with the lines of the n-gram models, which only count. Its author's losses
are of other characters than those held out here, and differ a little.
""",
    "torch-rnn": """\
## Preset *torch-rnn*

**It repeats** Justin Johnson's program torch-rnn (2016) with its defaults: an LSTM that reads characters through an
embedding, 50 epochs, half the rate after epochs 4, 9, 14 and so on.

**Look at** the loss (`1`) where the rate is halved: the raw losses spread less from there on. Then at the samples.

**In the end** compare it with the preset *char-rnn* on the same text: `c` in the list of
runs (`charrnn-tui runs`) lays its curve over.
""",
    "min-char-rnn": """\
## Preset *min-char-rnn*

**It repeats** Andrej Karpathy, *Minimal character-level language model with a vanilla recurrent neural network, in
Python/NumPy* (2015): 112 lines that many have learnt this from. One sequence at a time, so the raw loss is noisy.

**Look at** the loss, which begins at ln V, that of a blind guess among V characters; and one step taken apart (`i`):
its equations are those of the program, with their numbers.

**In the end** there is none: like the program it goes on until you stop it (`q`). Its samples have words by then, and
hardly a sentence.
""",
}


def card_of(settings: Mapping[str, Any]) -> str:
    """The card of the preset that a run with these `settings` repeats, in Markdown; empty if it repeats none."""
    return CARDS.get(preset_of(from_mapping(settings)), "")
