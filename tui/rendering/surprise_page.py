"""An HTML page on which a text is coloured by how much each character surprised a network. It loads no other file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from engine.session.messages import Where
from tui.rendering.numbers import NATS_PER_BIT, nats
from tui.rendering.text import named
from tui.rendering.where_picture import in_words

LONGEST_PAGE = 100_000  # characters of a text that a page shows: some 10 MB
LEVELS = 16  # of colour
MOST_BITS = 8  # of surprise at the strongest colour

STYLE = """\
:root { color-scheme: light dark; --ink: #202020; --ground: #ffffff; --faint: #6a6a6a; --box: #f2f2f2 }
@media (prefers-color-scheme: dark) { :root { --ink: #d8d8d8; --ground: #16181c; --faint: #9a9a9a; --box: #262a31 } }
body { margin: 2em auto; max-width: 60em; padding: 0 1em 5em; background: var(--ground); color: var(--ink);
  font: 15px/1.6 ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace }
h1 { font-size: 1.1em } h1, p, table { margin: 0 0 1em } .faint { color: var(--faint) }
table { border-collapse: collapse } td, th { padding: 0 0 0 1.5em; text-align: right; font-weight: normal }
td:first-child, th:first-child { padding: 0; text-align: left } th { color: var(--faint) }
pre { font: inherit; line-height: 1.7; white-space: pre-wrap; overflow-wrap: anywhere }
i { font-style: normal; padding: .15em 0 } i:hover { outline: 1px solid var(--ink) }
#at { position: fixed; left: 0; right: 0; bottom: 0; padding: .5em 1em; min-height: 1.6em; background: var(--box);
  border-top: 1px solid var(--faint) }
"""
SCRIPT = """\
const at = document.getElementById('at'), before = at.textContent;
document.querySelector('pre').addEventListener('mouseover', event => {
  at.textContent = event.target.dataset.p || before;
});
"""


@dataclass(frozen=True, slots=True)
class Guess:
    """A character that the network held for likely, with its probability, 0 … 1."""

    char: str
    chance: float


def surprise_page(
    text: str,
    losses: Sequence[float],
    guesses: Sequence[Sequence[Guess]],
    *,
    title: str,
    summary: str,
    where: Where | None,
    characters: int,
) -> str:
    """The page for the N characters of `text`, with their losses (N,) in nats, and the network's guesses at each place.

    `summary` is a line about all `characters` that were measured, of which the text may be only the beginning.
    """
    cut = f" The first {len(text):,} of {characters:,} characters are shown." if len(text) < characters else ""
    spans = (_span(*each) for each in zip(text, losses, guesses, strict=True))
    return "\n".join([
        "<!DOCTYPE html>",
        '<html lang="en">',
        f'<head><meta charset="utf-8"><title>{escape(title)}</title>',
        f"<style>\n{STYLE}{_levels()}</style></head>",
        "<body>",
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(summary)}.{cut}</p>",
        *(_table(where) if where is not None else ()),
        f'<p class="faint">surprise: {_scale()} {MOST_BITS} bits and more</p>',
        f"<pre>{''.join(spans)}</pre>",
        '<div id="at">Point at a character to see how probable it was, and what was expected.</div>',
        f"<script>\n{SCRIPT}</script>",
        "</body>",
        "</html>",
        "",
    ])  # fmt: skip


def level(loss: float) -> int:
    """The colour, 0 … `LEVELS`, of a loss in nats: half a bit is a level."""
    bits = loss / NATS_PER_BIT
    return LEVELS if not math.isfinite(bits) else min(int(bits / MOST_BITS * LEVELS), LEVELS)


def _levels() -> str:
    """The style of each level: the same colour over either ground, ever less transparent."""
    return "".join(f".s{n} {{ background: rgb(230 80 20 / {n / LEVELS * 0.8:.2f}) }}\n" for n in range(1, LEVELS + 1))


def _scale() -> str:
    return "0 " + "".join(f'<i class="s{n}">&nbsp;</i>' for n in range(LEVELS + 1))


def _span(char: str, loss: float, guesses: Sequence[Guess]) -> str:
    likeliest = ", ".join(f"{named(guess.char)} {_chance(guess.chance)}" for guess in guesses)
    words = (
        f"{named(char)}: probability {_chance(math.exp(-loss))}, {loss / NATS_PER_BIT:.2f} bits; likeliest {likeliest}"
    )
    # A line end is seen by its sign, and breaks the line; what is not seen, or would act on its neighbours, is a sign.
    shown = escape(char if char == " " else named(char)) + ("\n" if char == "\n" else "")
    return f'<i class="s{level(loss)}" data-p="{escape(words)}">{shown}</i>'


def _chance(chance: float) -> str:
    return f"{chance:.1%}" if chance >= 0.001 else f"{chance:.1e}"


def _table(where: Where) -> Iterator[str]:
    yield "<table>"
    yield (f"<tr><th>class<th>of the characters<th>of the loss<th>network, nats<th>{where.n}-gram, nats</tr>")
    for k, name in enumerate(where.classes):
        if where.share[k]:
            numbers = (
                f"{where.share[k]:.1%}", f"{where.loss_share[k]:.1%}",
                nats(float(where.losses[k])), nats(float(where.counting[k])),
            )  # fmt: skip
            yield f"<tr><td>{escape(name)}{''.join(f'<td>{each}' for each in numbers)}</tr>"
    yield "</table>"
    yield f"<p>{escape(' '.join(in_words(where)))}</p>"
