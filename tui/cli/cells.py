"""`charrnn-tui cells`: what each hidden unit of a saved network does over a text, as a heat map."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from textual.strip import Strip

from engine.arrays import Codes
from engine.errors import UserError
from engine.probes.activations import Statistics, read_cells, statistics
from engine.probes.features import FEATURES
from engine.probes.held_out import HeldOut, streams
from engine.session.messages import Cells, cell_of
from tui.cli.output import complain, numbers, say_json, write_file
from tui.cli.picture import ON_PAPER, console, palette_for, show
from tui.cli.saved import Saved, encode, layer_of, open_saved, text_of
from tui.rendering.cells_page import cells_page
from tui.rendering.cells_picture import CellsContent, cells_picture
from tui.rendering.colour import Palette
from tui.rendering.strips import DIM, paragraph
from tui.rendering.svg import svg

SORTS = ("index", "variance", *FEATURES)
SHOWN = 160  # characters of held-out text that are read if no TEXT is given
MOST_ON_PAPER = 200_000  # values in an SVG image, which has a shape for each
LABEL = 16  # columns before a row of values
FACTS = 12  # lines above and beneath the map


def run(options: Namespace) -> int:
    """Print the map, or with `--json` the numbers behind it; write it into the files that are named."""
    saved = open_saved(options)
    config = saved.run.config
    kinds = cell_of(config.cell).kinds
    layer = layer_of(options, config.layers)
    if options.kind not in kinds:
        raise UserError(f"--kind {options.kind}: a {config.cell} has {', '.join(kinds)}")
    if options.sort not in SORTS:
        raise UserError(f"--sort {options.sort}: is none of {', '.join(SORTS)}")
    codes, found = _read(saved, options)
    cells = read_cells(
        saved.model,
        saved.vocabulary,
        codes,
        found,
        layer=layer,
        kind=options.kind,
        sort=options.sort,
        step=saved.step,
    )
    title = f"{saved.title} · {cells.kind} of layer {options.layer}/{config.layers} · by {options.sort}"
    content = CellsContent(cells, config.cell, unit=int(cells.order[0]))
    if options.svg:
        write_file(options.svg, _image(content, title))
    if options.html:
        write_file(options.html, cells_page(cells, config.cell, title))
    if options.json:
        say_json(as_json(cells))
    else:
        screen = console()
        show(_picture(content, title, screen.width, palette_for(screen)), screen)
    return 0


def _read(saved: Saved, options: Namespace) -> tuple[Codes, Statistics | None]:
    """The codes of the text that is shown, and the units' statistics over held-out text; None if that is gone."""
    codes = encode(options.text, saved, "TEXT") if options.text is not None else None
    try:
        held_out = text_of(saved.run, "what the units follow").held_out(saved.run.config.seq)
    except UserError as error:
        if codes is None or options.sort in FEATURES:
            raise
        complain(f"{error}; the map alone is shown")
        return codes, None
    if codes is None:
        shown = HeldOut(held_out, saved.vocabulary, saved.run.config.seq).shown[:SHOWN]
        codes, _ = saved.vocabulary.encode(shown)
    text = streams(held_out, saved.vocabulary)
    return codes, statistics(saved.model, text, options.layer - 1, options.kind)


def as_json(cells: Cells) -> dict[str, Any]:
    """Plain values: values[i][t] is that of unit i after character t; `order` has the units as they were sorted."""
    return {
        "step": cells.step,
        "text": cells.text,
        "layer": cells.layer + 1,
        "kind": cells.kind,
        "order": cells.order.tolist(),
        "score": numbers(cells.score),
        "follow": [{"feature": each.name, "unit": each.unit, "r": each.correlation} for each in cells.best],
        "values": [numbers(row) for row in cells.values],
    }


def _picture(content: CellsContent, title: str, width: int, palette: Palette) -> list[Strip]:
    strips, _ = cells_picture(content, width, len(content.cells.order) + FACTS, palette)
    return [*paragraph(title, width, 9, DIM), *strips]


def _image(content: CellsContent, title: str) -> str:
    cells = content.cells
    if cells.values.size > MOST_ON_PAPER:
        raise UserError(
            f"--svg: {cells.values.shape[0]:,} units over {len(cells.text):,} characters are more than "
            f"{MOST_ON_PAPER:,} shapes; give a shorter TEXT, or use --html"
        )
    columns = len(cells.text) + LABEL
    return svg(_picture(content, title, max(columns, 40), ON_PAPER), title, max(columns, 40))
