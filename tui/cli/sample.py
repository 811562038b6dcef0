"""`charrnn-tui sample`: prints generated text on standard output, one text as it comes, or many at once."""

from __future__ import annotations

import itertools
import math
from argparse import Namespace

import numpy as np

from engine.errors import UserError
from engine.network.sampling import Choice, Sampler, generate, generate_many
from tui.cli.output import say, say_json, say_text
from tui.cli.saved import open_saved, warn_of_unknown

PIECE = 64  # characters written at a time
MOST = 1000  # texts at once; the chances of all their next characters are in memory together


def run(options: Namespace) -> int:
    """Print the prompt, if there is one, and `--length` characters after it, `--count` times. Returns the exit code."""
    choice = _choice(options)
    saved = open_saved(options, np.float32)
    vocabulary = saved.vocabulary
    codes, unknown = vocabulary.encode(options.prompt)
    warn_of_unknown(unknown, "--prompt")
    start = vocabulary.characters.index("\n") if "\n" in vocabulary.characters else 0  # as at the start of a line
    if options.count == 1 and not options.json:
        sampler = Sampler(saved.model, np.random.default_rng(options.seed), start)
        sampler.prime(codes)
        say_text(vocabulary.decode(codes))
        drawn = (code for code, _ in generate(sampler, choice, options.length))
        while piece := list(itertools.islice(drawn, PIECE)):
            say_text(vocabulary.decode(np.array(piece)))
        say_text("\n")
        return 0
    seeds = range(options.seed, options.seed + options.count)
    rngs = [np.random.default_rng(seed) for seed in seeds]
    read = codes if len(codes) else np.array([start])
    columns = np.stack(list(generate_many(saved.model, rngs, read, choice, options.length)), axis=1)
    texts = [vocabulary.decode(codes) + vocabulary.decode(drawn) for drawn in columns]
    if options.json:
        say_json([{"seed": seed, "text": text} for seed, text in zip(seeds, texts, strict=True)], indent=2)
        return 0
    for seed, text in zip(seeds, texts, strict=True):
        say(f"── seed {seed} ──")
        say_text(f"{text}\n")
    return 0


def _choice(options: Namespace) -> Choice:
    if options.length < 1:
        raise UserError(f"--length {options.length}: is too small; at least 1")
    if not (math.isfinite(options.temperature) and options.temperature >= 0):
        raise UserError(f"--temperature {options.temperature}: must be a number of at least 0; 0 is --greedy")
    if options.top_k < 0:
        raise UserError(f"--top-k {options.top_k}: must be at least 0; 0 leaves all characters")
    if not 0 < options.top_p <= 1:
        raise UserError(f"--top-p {options.top_p}: is outside 0 < P ≤ 1; 1 leaves all characters")
    if options.seed < 0:
        raise UserError(f"--seed {options.seed}: must be at least 0")
    if not 1 <= options.count <= MOST:
        raise UserError(f"--count {options.count}: is outside 1 to {MOST}; ask several times, with another --seed each")
    return Choice(0.0 if options.greedy else options.temperature, options.top_k, options.top_p)
