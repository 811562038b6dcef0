"""The picture of one step taken apart: the plain cell's own lines, with the numbers of one unit and of all units."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

import numpy as np
from textual.strip import Strip

from engine.arrays import Array
from engine.session.messages import Equation, Inside
from tui.rendering.inside_numbers import BINS, histogram, number, summed
from tui.rendering.numbers import nats, percent
from tui.rendering.strips import BOLD, DIM, Span, line, paragraph, shorten, wrap
from tui.rendering.text import named

AROUND = 2  # time steps to the left and to the right of the chosen one
LIKELIEST = 3  # characters
INDENT = 4
NARROW = 44  # cells; on fewer there is no room for the mean and the histogram
MARGIN, COLUMN = 4, 9  # cells left of the time steps, and for each of them


def inside_picture(answer: Inside, characters: Sequence[str], unit: int, width: int) -> list[Strip]:
    """The lines of the picture for `unit`, each `width` cells wide; `characters` has each code's character."""
    strips = [*overview(answer, characters, width), _blank(width), *forward_lines(answer, unit, width)]
    return [*strips, _blank(width), *back_lines(answer, unit, width)]


def overview(answer: Inside, characters: Sequence[str], width: int) -> list[Strip]:
    """The characters around the chosen step, and what the network predicts there."""
    return [*_columns(answer, characters, width), *_prediction(answer, characters, width)]


def loss_in_words(answer: Inside) -> str:
    """Which loss ℓ is, of which text, and the state from which that text is read."""
    begin = "from the state that the window before left" if answer.carried else "from a zero state"
    losses = "the last loss" if answer.last_only else f"the mean of the {answer.losses} losses"
    match answer.source:
        case "prompt":
            return f"ℓ is {losses} of the prompt, {begin}."
        case "held-out":
            return f"ℓ is {losses} of a window of held-out text, {begin}."
    if answer.share == 1:
        only = "its last loss" if answer.last_only else losses
        return f"ℓ is the loss of the next training step, {only}; it begins {begin}."
    steps = "last losses" if answer.last_only else f"{answer.losses} losses of each"
    return (
        f"ℓ is the loss of the next training step, the mean of the {steps} of {round(1 / answer.share)} sequences; "
        f"this is sequence {answer.sequence + 1}, {begin}."
    )


def forward_lines(answer: Inside, unit: int, width: int) -> list[Strip]:
    """The equations of the step forward, with their numbers."""
    strips = [_head("forward", unit, width)]
    for equation in answer.forward:
        strips += _equation(equation, answer.values, unit, width)
    return strips


def back_lines(answer: Inside, unit: int, width: int) -> list[Strip]:
    """What arrives at h_t, and the equations of the step back, with their numbers."""
    strips = [_head("back", unit, width), *_arriving(answer, unit, width)]
    for equation in answer.backward:
        strips += _equation(equation, answer.values, unit, width)
    return strips


def _columns(answer: Inside, characters: Sequence[str], width: int) -> list[Strip]:
    """The time steps around the chosen one, and the characters that are read there."""
    times: list[Span] = [(f"{'t':<{MARGIN}}", DIM)]
    read: list[Span] = [(f"{'x_t':<{MARGIN}}", DIM)]
    for t in range(answer.position - AROUND, answer.position + AROUND + 1):
        there = 0 <= t < len(answer.codes)
        style = BOLD if t == answer.position else DIM
        times.append((f"{t if there else '':^{COLUMN}}", style))
        text = named(characters[answer.codes[t]]) if there else ""
        read.append((f"{f'[ {text} ]' if t == answer.position else text:^{COLUMN}}", style))
    return [line(times, width), line(read, width)]


def column_at(x: int, answer: Inside) -> int | None:
    """The time step that stands in cell `x` of the first two lines of `overview`."""
    t = answer.position - AROUND + (x - MARGIN) // COLUMN
    shown = MARGIN <= x < MARGIN + (2 * AROUND + 1) * COLUMN
    return t if shown and 0 <= t < len(answer.codes) else None


def _prediction(answer: Inside, characters: Sequence[str], width: int) -> list[Strip]:
    order = np.argsort(-answer.probabilities, kind="stable")[:LIKELIEST]
    likeliest = "  ".join(f"{named(characters[k])} {percent(float(answer.probabilities[k]))}" for k in order)
    text = f"After step {answer.position} the likeliest characters are {likeliest}."
    if answer.target >= 0:
        chance = float(answer.probabilities[answer.target])
        text += (
            f" The next one is {named(characters[answer.target])}: "
            f"ℓ_{answer.position} = −ln {number(chance)} = {nats(answer.loss)} nats."
        )
    return paragraph(text, width, 4)


def _head(what: str, unit: int, width: int) -> Strip:
    right = f"{'mean':>9}  all units"
    return line([(f"{what}, unit {unit}".ljust(_room(width)), BOLD), (right, DIM)], width)


def _room(width: int) -> int:
    """Cells for the numbers of the unit; those of all units stand right of them, or on a narrow screen nowhere."""
    return width - BINS - 11 if width >= NARROW else width


def _blank(width: int) -> Strip:
    return line([], width)


def _equation(equation: Equation, values: Mapping[str, Array], unit: int, width: int) -> list[Strip]:
    """The line of the plain cell, and for each name that it assigns the numbers; nothing for matrices of weights."""
    names = [each for name in equation.names for each in (name, *_by_gate(name, values)) if each in values]
    if not names:
        return []
    codes = dict(zip(equation.names, _elements(equation.code, len(equation.names)), strict=True))
    text = f"{', '.join(equation.names)} = {equation.code}"
    comment = equation.comment.partition(": ")[2] or _remark(equation, values)
    fits = len(text) + len(comment) + 4 <= width
    whole = f"{text}  # {comment}" if comment and fits else text
    first, *more = [whole] if len(whole) <= width else wrap(whole, width - INDENT, 4) or [""]
    strips = [line([(each, DIM)], width) for each in (first, *(" " * INDENT + each for each in more))]
    if comment and not fits:
        strips.append(line([(shorten(f"  # {comment}", width), DIM)], width))
    for name in names:
        code = codes.get(name)
        numbers = written(code, values, unit) if code else None
        strips += _numbers(name, numbers, values[name], unit, width)
    return strips


def _remark(equation: Equation, values: Mapping[str, Array]) -> str:
    """What a line computes by another name, or the sum in a product with a matrix: a row of it forward, a column back.

    δ_t is the gradient of what is inside a non-linearity, or of a candidate that has none.
    """
    if any(name.startswith("d_a") or (name == "d_n" and "a_n" not in values) for name in equation.names):
        return "δ_t"
    left, product, right = equation.code.partition(" @ ")
    if ".weight_ih.T" in right:
        return "of unit u: Σ_k weight_ih[u, k] · x[k] + bias_ih[u]"
    if ".weight_hh.T" in right:
        return "of unit u: Σ_k weight_hh[u, k] · h_before[k] + bias_hh[u]"
    return f"of unit u: Σ_k {left}[k] · {right.removeprefix('weights.')}[k, u]" if product else ""


def _by_gate(name: str, values: Mapping[str, Array]) -> list[str]:
    return [each for each in values if each.startswith(f"{name}.")]


def _elements(code: str, count: int) -> list[str | None]:
    """The expressions for each of `count` names; None for each if one call makes all of them."""
    value = ast.parse(code, mode="eval").body
    if count == 1:
        return [code]
    if not isinstance(value, ast.Tuple):
        return [None] * count
    return [ast.unparse(each) for each in value.elts]


def _numbers(name: str, numbers: str | None, values: Array, unit: int, width: int) -> list[Strip]:
    """`name = numbers = value` of the unit; at the right the mean over all units and their histogram."""
    room = _room(width)
    text = f"{name} = {numbers} = {number(values[unit])}" if numbers else f"{name} = {number(values[unit])}"
    lines = [" " * INDENT + each for each in wrap(text, room - INDENT - 1, 9)] or [""]
    *first, last = lines
    right = f"{number(float(values.mean())):>9}  {histogram(values)}"
    return [
        *(line([(each, BOLD)], width) for each in first),
        line([(last.ljust(room), BOLD), (right, DIM)], width),
    ]


def _arriving(answer: Inside, unit: int, width: int) -> list[Strip]:
    """What ∂ℓ/∂h_t, and ∂ℓ/∂c_t of an LSTM, consist of before this step's own lines: a sum written out."""
    t = answer.position
    strips: list[Strip] = []
    for place, paths in enumerate(answer.later):
        parts = {f"{path} of step {t + 1}": float(values[unit]) for path, values in paths.items()}
        if place == 0:
            parts = {"from above": float(answer.own[unit]), **parts}
        name = "d_h" if place == 0 else "d_c_later"
        texts, total = summed(list(parts.values()))
        text = f"{name} = " + " + ".join(f"{value} ({part})" for part, value in zip(parts, texts, strict=True))
        text += f" = {total}" if len(parts) != 1 else ""
        if not parts:
            text = f"{name} = 0"
        if not paths:
            text += ": no step comes after this one"
        strips += paragraph(text, width, 9, BOLD)
    return strips


def written(code: str, values: Mapping[str, Array], unit: int) -> str | None:
    """The expression `code` with the numbers of `unit` in place of its names; None if it is more than arithmetic.

    A product with a matrix of weights, for example, has a sum over all units in it.
    """
    replaced = _Numbers(values, unit)
    text = ast.unparse(replaced.visit(ast.parse(code, mode="eval")))
    if not replaced.complete:
        return None
    for python, formula in (("sigmoid(", "σ("), ("np.tanh(", "tanh("), (" ** 2", "²"), (" * ", " · "), (" - ", " − ")):
        text = text.replace(python, formula)
    return text


class _Numbers(ast.NodeTransformer):
    def __init__(self, values: Mapping[str, Array], unit: int) -> None:
        self.values, self.unit = values, unit
        self.complete = True

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._number(node, node.id)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self._number(node, ast.unparse(node))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if ast.unparse(node.func) not in ("sigmoid", "np.tanh"):
            self.complete = False
            return node
        node.args = [self.visit(each) for each in node.args]
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        node.left, node.right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, ast.Pow) and isinstance(node.left, ast.Name) and node.left.id.startswith("−"):
            node.left.id = f"({node.left.id})"
        return node

    def _number(self, node: ast.AST, name: str) -> ast.AST:
        if name not in self.values:
            self.complete = False
            return node
        return ast.Name(number(float(self.values[name][self.unit])))
