"""`charrnn-tui eval`: the loss of a saved run on the whole held-out text or another one, and where it is."""

from __future__ import annotations

import math
from argparse import Namespace
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.arrays import Array, Codes
from engine.errors import UserError
from engine.probes.reading import read_whole
from engine.probes.where import where, yardstick
from engine.session.messages import Where
from engine.text.corpus import Corpus, load_corpus
from engine.text.stretches import StretchLosses, losses_by_stretch, stretches
from tui.cli import by_position
from tui.cli.output import complain, reading, say, say_json, write_file
from tui.cli.picture import console, palette_for, show
from tui.cli.saved import Saved, listed, open_saved, text_of
from tui.rendering.numbers import NATS_PER_BIT
from tui.rendering.surprise_page import LONGEST_PAGE, Guess, surprise_page
from tui.rendering.text import visible_text
from tui.rendering.where_picture import where_picture

LIKELIEST = 3  # characters that the page names for each one read
LISTED = 20  # characters that the network does not know, and that are named
MOST_LINES = 24  # of the table of classes


@dataclass(frozen=True)
class Measured:
    """A text to be measured, and what stands before it."""

    words: str  # what its characters are called
    before: Codes  # what the network reads first, (N,), N ≥ 1
    text: Codes  # (M,)
    counted: Codes | None  # the training text; None if it is gone
    after: Codes  # what follows the training text, to the end of `text`
    name: str  # "held-out", "test", or that of the text
    left_out: int = 0  # characters of the text that the network does not know


def run(options: Namespace) -> int:
    """Print the losses per character and by classes, in words or with `--json` as an object."""
    saved = open_saved(options)
    if options.text and options.part != "held-out":
        raise UserError(f"--part {options.part}: is of the run's own text; leave out TEXT")
    if options.encoding and not options.text:
        raise UserError(f"--encoding {options.encoding}: is that of a TEXT; name one, or leave it out")
    measured = _other(options, saved) if options.text else _part(options.part, saved)
    if options.by_position:
        return by_position.run(saved.model, saved.title, measured.text, json=options.json)
    with reading() as progress:
        losses = read_whole(saved.model, measured.before, measured.text, progress).losses
    by_class = None
    if measured.counted is not None:
        skipped = len(measured.after) - len(measured.text)
        parts = [slice(skipped + part.start, skipped + part.stop) for part in stretches(len(measured.text), None)]
        against = yardstick(measured.counted, measured.after, saved.vocabulary, parts)
        by_class = where(np.concatenate(losses), against, saved.step)
    found = losses_by_stretch(losses)
    if options.html:
        write_file(options.html, _page(saved, measured, found, by_class))
    if options.json:
        say_json(as_json(saved, measured, found, by_class))
        return 0
    say(saved.title)
    say(_summary(measured, found))
    if by_class is not None:
        screen = console()
        say()
        show(where_picture(by_class, screen.width, MOST_LINES, palette_for(screen)), screen)
    return 0


def _part(part: str, saved: Saved) -> Measured:
    corpus = text_of(saved.run, "the loss")
    if part == "test":
        text, end, words = corpus.tested, corpus.length, "test characters"
        lack = "no text was kept for a test; train with --test"
    else:
        text, end, words = corpus.valid, corpus.length - len(corpus.tested), "held-out characters"
        lack = "no text was held out; train with a larger share for validation"
    if not len(text):
        raise UserError(f"{saved.run.path}: {lack}")
    after = corpus.codes[len(corpus.train) : end]
    return Measured(words, corpus.codes[: end - len(text)], text, corpus.train, after, part)


def _other(options: Namespace, saved: Saved) -> Measured:
    """The text that the options name. Its first character is not measured, because nothing comes before it."""
    with reading() as progress:
        encoding = options.encoding or saved.run.config.encoding
        corpus = load_corpus(options.text, encoding, 0.0, progress, say=complain)
    codes, left_out = translated(corpus, saved)
    if len(codes) < 2:
        raise UserError(f"{options.text[0]}: has fewer than two characters that the network knows; name another text")
    try:
        counted = text_of(saved.run, "counting models").train
    except UserError as error:
        complain(f"{error}; the network's loss alone is printed")
        counted = None
    words = f"characters of {visible_text(corpus.name)} after its first"
    return Measured(words, codes[:1], codes[1:], counted, codes, corpus.name, left_out)


def translated(corpus: Corpus, saved: Saved) -> tuple[Codes, int]:
    """The text in the run's codes, without the characters that the run does not know, and how many those are."""
    known = {character: code for code, character in enumerate(saved.vocabulary.characters)}
    none = len(known)
    places = [known.get(character, none) for character in corpus.vocabulary.characters]
    codes = np.array(places, np.min_scalar_type(none))[corpus.codes]
    unknown = int((codes == none).sum())
    if unknown:
        strange = "".join(character for character in corpus.vocabulary.characters if character not in known)
        more = "" if len(strange) <= LISTED else f" and {len(strange) - LISTED:,} more"
        complain(f"{corpus.name}: the run's text has no {listed(strange[:LISTED])}{more}; {unknown:,} left out")
    return codes[codes != none], unknown


def _summary(measured: Measured, found: StretchLosses) -> str:
    loss, error = found.mean, found.standard_error
    within = "" if error is None else f" ± {error:.4f}"
    return (
        f"{loss:.4f}{within} nats, {loss / NATS_PER_BIT:.4f} bits, perplexity {math.exp(min(loss, 700)):.4f} "
        f"per character, on all {len(measured.text):,} {measured.words}"
    )


def as_json(saved: Saved, measured: Measured, found: StretchLosses, by_class: Where | None) -> dict[str, Any]:
    """The figures as plain values, losses in nats per character. A class without characters has no losses: null."""
    values: dict[str, Any] = {
        "step": saved.step,
        "text": measured.name,
        "characters": len(measured.text),
        "left_out": measured.left_out,
        "loss": found.mean,
        "standard_error": found.standard_error,
        "bits": found.mean / NATS_PER_BIT,
        "perplexity": math.exp(min(found.mean, 700)),
    }
    if by_class is not None:
        values["counting"] = {"n": by_class.n, "loss": by_class.counting_loss}
        values["classes"] = [
            {
                "class": name,
                "share": float(by_class.share[k]),
                "loss_share": float(by_class.loss_share[k]),
                "loss": float(by_class.losses[k]) if by_class.share[k] else None,
                "counting": float(by_class.counting[k]) if by_class.share[k] else None,
            }
            for k, name in enumerate(by_class.classes)
        ]
    return values


def _page(saved: Saved, measured: Measured, found: StretchLosses, by_class: Where | None) -> str:
    """The page: the first `LONGEST_PAGE` characters, each in the colour of its surprise."""
    shown = measured.text[:LONGEST_PAGE]
    read = read_whole(saved.model, measured.before, shown, likeliest=LIKELIEST)
    losses: Array = np.concatenate(read.losses)
    characters = saved.vocabulary.characters
    likeliest = [
        [Guess(characters[code], chance) for code, chance in zip(codes, chances, strict=True)]
        for guesses in read.guesses
        for codes, chances in zip(guesses.codes.tolist(), guesses.chances.tolist(), strict=True)
    ]
    return surprise_page(
        saved.vocabulary.decode(np.asarray(shown, np.intp)),
        losses.tolist(),
        likeliest,
        title=saved.title,
        summary=_summary(measured, found),
        where=by_class,
        characters=len(measured.text),
    )
