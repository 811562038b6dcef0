"""`python -m tui` is `charrnn-tui`."""


def main() -> int:
    """Run the command line; the exit code. All is loaded in here: ctrl+c has no traceback while that goes on, too."""
    try:
        from tui.cli import main as run

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
