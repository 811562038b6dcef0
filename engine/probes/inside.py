"""One time step of one layer, taken apart: the lines of the plain cell, forward and back, with their numbers.

The numbers are not computed here. The functions of `engine.network.cells.plain` run, and their local variables are read
when they return: what is shown is what those files say, line by line.
"""

from __future__ import annotations

import ast
import inspect
import math
import sys
import textwrap
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import numpy as np

from engine.arrays import Array, Codes, frozen
from engine.network.cells import plain
from engine.network.cells.cell import cell_of
from engine.network.cells.plain import PLAIN, PlainCell
from engine.network.cells.plain.step import Weights, weights_of
from engine.network.model import Model
from engine.network.parameters import Architecture
from engine.network.workspace import State
from engine.probes.results import Equation, Inside

NONE = -1  # in `targets`: this step has no loss
Paths = tuple[Mapping[str, Array], ...]  # for each state, h or h and c: gradients (1, H) by the path they came


def can_take_apart(model: Model) -> bool:
    """Whether the network's cell has a plain version, whose lines `inside` shows."""
    return model.architecture.cell in PLAIN


def inside(
    model: Model,
    codes: Codes,
    targets: Codes,
    *,
    position: int,
    layer: int = 0,
    last_only: bool = False,
    share: float = 1.0,
    state: State | None = None,
    step: int = 0,
) -> Inside:
    """Read `codes` (T,), and take step `position` of `layer` apart.

    `targets` (T,) are the characters to predict, −1 for none. The loss ℓ is `share` times the mean of their losses, or
    with `last_only` `share` times the last one: with `share` 1/B it is this sequence's part of a batch of B. `state`
    has for each layer (h,) or (h, c), (1, H) each, before the first character; None is zero. All is in float64, and no
    dropout acts. Raises `ValueError` if there is no such position or layer, or no target at all.
    """
    architecture = model.architecture
    if not (0 <= position < len(codes) and 0 <= layer < architecture.layers):
        raise ValueError(f"there is no step {position} of {len(codes)}, or no layer {layer} of {architecture.layers}")
    with_loss = targets != NONE
    if not with_loss.any():
        raise ValueError("none of the steps has a target")
    parameters, cell = model.parameters, PLAIN[architecture.cell]
    weights = [weights_of(parameters.of_layer(each), architecture.hidden_size) for each in range(architecture.layers)]
    begin = state or _zero_state(architecture)
    inputs, layers = parameters.inputs(codes)[:, None], []
    for own_weights, own_state in zip(weights, begin, strict=True):
        layers.append(plain.forward(cell, own_weights, inputs, own_state))
        inputs = np.array([each.h for each in layers[-1]])
    head_weight = parameters["head.weight"].astype(np.float64)
    logits = inputs[:, 0] @ head_weight.T + parameters["head.bias"]  # (T, V)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    d_logits = np.exp(log_probabilities)
    d_logits[np.arange(len(codes)), np.maximum(targets, 0)] -= 1
    counted = np.flatnonzero(with_loss)[-1:] if last_only else np.flatnonzero(with_loss)
    d_logits[np.setdiff1d(np.arange(len(codes)), counted)] = 0
    own = ((d_logits * share / len(counted)) @ head_weight)[:, None]  # (T, 1, H)
    for index in reversed(range(layer + 1, architecture.layers)):
        own = plain.backward(cell, weights[index], layers[index], own).inputs

    steps = layers[layer]
    later = _from_later(cell, weights[layer], steps, own, position)
    d_later = [sum(paths.values(), np.zeros_like(own[0])) for paths in later]
    here = steps[position]
    before = steps[position - 1].state if position else begin[layer]
    values = _by_gate(_locals(cell.step, weights[layer], here.x, *before), architecture)
    values |= {f"step.{name}": value for name, value in vars(here).items()}
    values |= _locals(cell.step_back, weights[layer], here, own[position] + d_later[0], *d_later[1:])
    target = int(targets[position])
    return Inside(
        step=step,
        codes=frozen(codes.copy()),
        position=position,
        layer=layer,
        cell=architecture.cell,
        forward=equations(cell.step),
        backward=equations(cell.step_back),
        values={
            name: frozen(value[0])
            for name, value in values.items()
            if getattr(value, "shape", ()) == own[position].shape
        },
        probabilities=frozen(np.exp(log_probabilities[position])),
        target=target,
        loss=math.nan if target == NONE else float(-log_probabilities[position, target]) + 0.0,  # never −0
        own=frozen(own[position][0]),
        later=tuple({path: frozen(value[0]) for path, value in paths.items()} for paths in later),
        losses=len(counted),
        last_only=last_only,
        share=share,
        carried=state is not None,
    )


def _zero_state(architecture: Architecture) -> State:
    zero = np.zeros((1, architecture.hidden_size))
    return ((zero,) * len(cell_of(architecture.cell).states),) * architecture.layers


def _from_later(cell: PlainCell, weights: Weights, steps: list[Any], own: Array, position: int) -> Paths:
    """What step t = `position` gets from step t + 1; `own` (T, 1, H) is what each step gets from its own loss."""
    later: Paths = tuple({} for _ in steps[0].state)
    for t in reversed(range(position + 1, len(steps))):
        d_h, *d_others = (sum(paths.values(), np.zeros_like(own[t])) for paths in later)
        later = cell.step_back(weights, steps[t], own[t] + d_h, *d_others).d_before
    return later


def _by_gate(values: dict[str, Any], architecture: Architecture) -> dict[str, Any]:
    """`values` by name, and those that stand for the numbers of all gates gate by gate too: `from_input.f`, …"""
    gates, found = architecture.gates, dict(values)
    for name, value in values.items():
        if len(gates) > 1 and getattr(value, "shape", ()) == (1, len(gates) * architecture.hidden_size):
            found |= zip((f"{name}.{gate}" for gate in gates), np.split(value, len(gates), axis=1), strict=True)
    return found


def equations(function: Callable[..., Any]) -> tuple[Equation, ...]:
    """The assignments of a function, in order, with the comment at each line's end."""
    source = textwrap.dedent(inspect.getsource(function))
    lines = source.splitlines()
    (body,) = ast.parse(source).body
    assert isinstance(body, ast.FunctionDef)
    found = []
    for node in body.body:
        if isinstance(node, ast.Assign):
            (target,) = node.targets
            names = tuple(each.id for each in ast.walk(target) if isinstance(each, ast.Name))
            code = ast.get_source_segment(source, node.value) or ""
            found.append(Equation(names, code, lines[node.lineno - 1].partition("  # ")[2]))
    return tuple(found)


def _locals(function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """Call `function`, and return its local variables as they are when it returns."""
    found: dict[str, Any] = {}

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        if event == "return" and frame.f_code is function.__code__:
            found.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(watch)  # of this thread only
    try:
        function(*arguments)
    finally:
        sys.setprofile(before)
    return found
