"""`charrnn-tui import`: makes an ended run of weights that were trained elsewhere."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from engine.errors import UserError
from engine.foreign.names import NetworkError, UnclearError
from engine.foreign.run import import_run
from engine.foreign.vocabulary import read_vocabulary
from engine.network.cells import cell_names
from engine.torch.files import read_weights
from tui.cli.output import complain, progress_bar, say, shell_word


def run(options: Namespace) -> int:
    """Import the weights, and print the new run's name. Returns the exit code."""
    if options.cell not in cell_names():
        raise UserError(f"--cell {options.cell}: there is no such cell; choose one of {', '.join(cell_names())}")
    names = dict(_pair(text) for text in options.map)
    file = Path(options.file)
    vocabulary = read_vocabulary(Path(options.vocabulary))
    tensors = read_weights(file)
    try:
        with progress_bar() as progress:
            directory = import_run(
                tensors,
                vocabulary,
                options.cell,
                name=file.name,
                texts=options.text or (),
                names=names,
                directory=Path(options.run) if options.run else None,
                say=complain,
                progress=progress,
            )
    except UnclearError as error:
        raise UserError(f"{file}: {error} (--map {error.ours}=NAME)") from None
    except NetworkError as error:
        raise UserError(f"{file}: {error}") from None
    say(f"{directory}: charrnn-tui attach {shell_word(str(directory))}")
    return 0


def _pair(text: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not (ours and equals):
        raise UserError(f"--map {text}: has no '='; write OUR=THEIRS, as head.weight=decoder.weight")
    return ours, theirs
