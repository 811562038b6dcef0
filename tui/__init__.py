"""The terminal dashboard and the command line, on top of `engine`."""

import sys

if sys.platform == "win32":  # before any import that Windows does not have
    sys.stderr.write(
        "charrnn-tui: does not run on Windows itself; install it in WSL (`wsl --install`), and start it there\n"
    )
    raise SystemExit(2)
