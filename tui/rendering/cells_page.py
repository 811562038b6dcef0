"""An HTML page with the heat map of a layer's units over a text: one points at a unit, and the text takes its colours.

The page loads no other file. Orange is below zero and blue above, over a light ground or a dark one.
"""

from __future__ import annotations

import json
from html import escape

import numpy as np

from engine.session.messages import Cells
from tui.rendering.numbers import signed
from tui.rendering.text import named
from tui.rendering.unit_colours import limits

DECIMALS = 3  # of a value, in the file
STYLE = """\
:root { color-scheme: light dark; --ink: #202020; --ground: #ffffff; --faint: #6a6a6a; --box: #f2f2f2 }
@media (prefers-color-scheme: dark) { :root { --ink: #d8d8d8; --ground: #16181c; --faint: #9a9a9a; --box: #262a31 } }
body { margin: 2em; padding-bottom: 5em; background: var(--ground); color: var(--ink);
  font: 15px/1.6 ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace }
h1 { font-size: 1.1em } .faint { color: var(--faint) }
pre { font: inherit; line-height: 1.8; white-space: pre-wrap; overflow-wrap: anywhere; min-height: 3em }
i { font-style: normal; padding: .15em 0 } i.at { outline: 2px solid var(--ink) }
.map { overflow-x: auto } canvas { display: block; cursor: crosshair; image-rendering: pixelated }
#at { position: fixed; left: 0; right: 0; bottom: 0; padding: .5em 1em; min-height: 1.6em; background: var(--box);
  border-top: 1px solid var(--faint) }
"""
SCRIPT = """\
const data = JSON.parse(document.getElementById('data').textContent);
const text = [...document.querySelectorAll('pre i')], at = document.getElementById('at');
const canvas = document.querySelector('canvas'), pen = canvas.getContext('2d');
const units = data.order.length, length = text.length;
const wide = Math.max(4, Math.min(14, Math.floor(1200 / length))), high = units > 1000 ? 2 : units > 300 ? 4 : 10;
let row = 0, place = -1;
const colour = value => value === null ? 'transparent'
  : `rgb(${value < 0 ? '230 110 10' : '40 120 230'} / ${Math.min(Math.abs(value) / data.high, 1)})`;
function draw() {
  canvas.width = wide * length; canvas.height = high * units;
  data.values.forEach((values, y) => values.forEach((value, x) => {
    pen.fillStyle = colour(value); pen.fillRect(x * wide, y * high, wide, high);
  }));
  pen.strokeStyle = getComputedStyle(document.body).color; pen.lineWidth = 2;
  pen.strokeRect(1, row * high, canvas.width - 2, high);
}
function show() {
  const values = data.values[row], unit = data.order[row];
  text.forEach((char, x) => { char.style.background = colour(values[x]); char.classList.toggle('at', x === place); });
  const follows = (data.follow[unit] || []).map(each => ` · ${each}`).join('');
  const value = place < 0 || values[place] === null ? '–' : values[place].toFixed(3).replace('-', '−');
  const here = place < 0 ? '' : ` · after ${data.names[place]}: ${value}`;
  at.textContent = `unit ${unit}${here}${follows}`;
  draw();
}
canvas.addEventListener('mousemove', event => {
  const y = Math.min(Math.floor(event.offsetY / high), units - 1);
  const x = Math.min(Math.floor(event.offsetX / wide), length - 1);
  if (y >= 0 && x >= 0 && (y !== row || x !== place)) { row = y; place = x; show(); }
});
document.querySelector('pre').addEventListener('mouseover', event => {
  place = text.indexOf(event.target); show();
});
document.addEventListener('keydown', event => {
  const by = {ArrowUp: -1, ArrowDown: 1}[event.key];
  if (by) { row = Math.min(Math.max(row + by, 0), units - 1); show(); event.preventDefault(); }
});
show();
"""


def cells_page(cells: Cells, cell: str, title: str) -> str:
    """The page for the values of a layer's units; `cell` is the name of the recurrent cell."""
    low, high = limits(cells.kind, cell, cells.values)
    follow: dict[int, list[str]] = {}
    for each in cells.best:
        if each.unit is not None:
            follow.setdefault(each.unit, []).append(f"{each.name}: r {signed(each.correlation)}")
    rounded = np.round(np.asarray(cells.values[cells.order], np.float64), DECIMALS)
    data = {
        "order": cells.order.tolist(),
        "high": max(abs(low), abs(high)),
        "values": [[value if np.isfinite(value) else None for value in row] for row in rounded.tolist()],
        "names": [f"‹{named(char)}›" for char in cells.text],
        "follow": follow,
    }
    # What a script tag holds ends at the first "</"; as JSON it may be written without one.
    stored = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    scale = f"orange {low:g}, blue {high:g}" if low < 0 else f"white {low:g}, blue {high:g}"
    return "\n".join([
        "<!DOCTYPE html>",
        '<html lang="en">',
        f'<head><meta charset="utf-8"><title>{escape(title)}</title>',
        f"<style>\n{STYLE}</style></head>",
        "<body>",
        f"<h1>{escape(title)}</h1>",
        f'<p class="faint">{len(cells.order):,} units, one a row; {len(cells.text):,} characters, one a column; ',
        f"{scale}. Point at a unit, or press ↑ ↓, and the text takes its colours.</p>",
        f"<pre>{''.join(_span(char) for char in cells.text)}</pre>",
        '<div class="map"><canvas></canvas></div>',
        '<div id="at"></div>',
        f'<script type="application/json" id="data">{stored}</script>',
        f"<script>\n{SCRIPT}</script>",
        "</body>",
        "</html>",
        "",
    ])  # fmt: skip


def _span(char: str) -> str:
    return f"<i>{escape(char if char == ' ' else named(char))}</i>" + ("\n" if char == "\n" else "")
