"""On Windows the program says where it runs."""

from __future__ import annotations

import subprocess
import sys


def test_on_windows_one_sentence_names_wsl() -> None:
    pretended = "import sys; sys.platform = 'win32'; from tui.cli import main; main(['--version'])"
    ended = subprocess.run([sys.executable, "-c", pretended], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stdout == ""
    (sentence,) = ended.stderr.splitlines()
    assert sentence.startswith("charrnn-tui: does not run on Windows itself; install it in WSL")
