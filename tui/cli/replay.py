"""`charrnn-tui replay`: plays the moments of a run as a film, on the dashboard or into a file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from engine.remote.client import open_link
from engine.runs.listing import find_run
from tui.cli.output import progress_bar, require_terminal, say, write_file
from tui.terminal.environment import ask_for_all_colours


def run(options: Namespace) -> int:
    """Play the film until the user leaves, or write it to `--svg FILE`. Returns the exit code."""
    path = find_run(options.run)
    if options.svg:
        return _write(path, options.svg)
    require_terminal("add --svg FILE to write the film to a file")
    from tui.app.film import FilmApp
    from tui.app.memory import place

    app = FilmApp(open_link(path), fps=options.fps)
    app.use_memory(place(), options.theme)
    return app.run_until_left()


def _write(path: Path, file: str) -> int:
    ask_for_all_colours()  # before Textual, which reads the environment as it is imported
    from tui.app.film import shoot
    from tui.app.themes import DARK
    from tui.rendering.film_svg import film_svg

    link = open_link(path)
    title = f"The run {link.info.name} at its moments"
    with progress_bar("drawing the moments") as progress:
        film = shoot(link, progress) if progress else shoot(link)
    frames = [frame[:-1] for frame in film]  # without the keys, which do nothing in a picture
    image = film_svg(frames, 0.5, title, DARK.foreground or "#e0e0e0", DARK.background or "#101010")
    write_file(file, image)
    say(f"{file}: {len(frames)} frames, {len(image) / 1e6:.1f} MB")
    return 0
