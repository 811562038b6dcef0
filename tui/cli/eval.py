"""`charrnn-tui eval`: the loss of a saved run on the whole held-out text or another one, and where it is."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.arrays import Array, Codes
from engine.errors import UserError
from engine.network.model import Model
from engine.probes.reading import Read, read_whole
from engine.probes.where import where, yardstick
from engine.session.messages import Where
from engine.text.corpus import Corpus, load_corpus
from engine.text.stretches import StretchLosses, losses_by_stretch, stretches_of
from tui.cli import by_position
from tui.cli.output import complain, progress_bar, say, say_json, write_file
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
    """A text to be measured, in one or more blocks; before each, the network reads what stands there."""

    words: str  # what its characters are called
    source: Codes  # in which the blocks lie
    blocks: tuple[slice, ...]  # each begins behind the first character of `source`
    counted: Codes | None  # the training text as counting models read it; None if it is gone
    first: int  # from here on, `source` follows `counted`
    name: str  # "held-out", "test", or that of the text
    left_out: int = 0  # characters of the text that the network does not know

    @property
    def text(self) -> Codes:
        """All that is measured, (M,)."""
        return np.concatenate([self.source[block] for block in self.blocks])

    def read(
        self,
        model: Model,
        progress: Callable[[float], None] | None = None,
        *,
        most: float = math.inf,
        likeliest: int = 0,
    ) -> Read:
        """What `read_whole` says of the blocks, and of no more than their first `most` characters together."""
        found, done = Read([], []), 0
        whole = int(min(sum(block.stop - block.start for block in self.blocks), most))
        for block in self.blocks:
            size = min(block.stop - block.start, whole - done)
            if size <= 0:
                break

            def so_far(share: float, done: int = done, size: int = size) -> None:
                if progress:
                    progress((done + share * size) / whole)

            text = self.source[block.start : block.start + size]
            read = read_whole(model, self.source[: block.start], text, so_far, likeliest=likeliest)
            found = Read([*found.losses, *read.losses], [*found.guesses, *read.guesses])
            done += size
        return found


def run(options: Namespace) -> int:
    """Print the losses per character and by classes, in words or with `--json` as an object."""
    saved = open_saved(options)
    if options.text and options.part != "held-out":
        raise UserError(f"--part {options.part}: is of the run's own text; leave out TEXT")
    if options.encoding and not options.text:
        raise UserError(f"--encoding {options.encoding}: is that of a TEXT; name one, or leave it out")
    measured = _other(options, saved) if options.text else _part(options.part, saved)
    if options.by_position:
        return by_position.run(
            saved.model, saved.title, [measured.source[block] for block in measured.blocks], json=options.json
        )
    with progress_bar() as progress:
        losses = measured.read(saved.model, progress).losses
    by_class = None
    if measured.counted is not None:
        after = measured.source[measured.first :]
        blocks = [slice(block.start - measured.first, block.stop - measured.first) for block in measured.blocks]
        against = yardstick(measured.counted, after, saved.vocabulary, stretches_of(blocks, None))
        by_class = where(np.concatenate(losses), against, saved.step)
    found = losses_by_stretch(losses)
    if options.html:
        write_file(options.html, _page(saved, measured, found, by_class))
    if options.json:
        say_json(as_json(saved, measured, found, by_class))
        return 0
    say(saved.title)
    say(_summary(measured, found))
    if measured.name == "held-out" and not options.text:
        info = saved.run.record.info(saved.run.path)
        say(f"({info.held_out_place})")
        if notice := saved.run.record.held_out_notice:
            complain(notice)
    if by_class is not None:
        screen = console()
        say()
        show(where_picture(by_class, screen.width, MOST_LINES, palette_for(screen)), screen)
    return 0


def _part(part: str, saved: Saved) -> Measured:
    corpus = text_of(saved.run, "the loss")
    if part == "test":
        blocks: tuple[slice, ...] = (corpus.split.test,) if len(corpus.tested) else ()
        words = "test characters"
        lack = "no text was kept for a test; train with --test"
    else:
        blocks, words = corpus.split.validation, "held-out characters"
        lack = "no text was held out; train with a larger share for validation"
    if not blocks:
        raise UserError(f"{saved.run.path}: {lack}")
    source = corpus.codes[: blocks[-1].stop]
    return Measured(words, source, blocks, corpus.counted, len(corpus.before), part)


def _other(options: Namespace, saved: Saved) -> Measured:
    """The text that the options name. Its first character is not measured, because nothing comes before it."""
    with progress_bar() as progress:
        encoding = options.encoding or saved.run.config.encoding
        corpus = load_corpus(options.text, encoding, 0.0, progress, say=complain)
    codes, left_out = translated(corpus, saved)
    if len(codes) < 2:
        raise UserError(f"{options.text[0]}: has fewer than two characters that the network knows; name another text")
    try:
        counted = text_of(saved.run, "counting models").counted
    except UserError as error:
        complain(f"{error}; the network's loss alone is printed")
        counted = None
    words = f"characters of {visible_text(corpus.name)} after its first"
    return Measured(words, codes, (slice(1, len(codes)),), counted, 0, corpus.name, left_out)


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
    read = measured.read(saved.model, most=LONGEST_PAGE, likeliest=LIKELIEST)
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
