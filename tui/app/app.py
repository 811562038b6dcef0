"""The program on the screen: the keys that act on the run as a whole, the command palette, and leaving."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.config import from_mapping
from tui.app.watching import WatchingApp
from tui.screens.keys import ABOUT_KEYS, KEYS

if TYPE_CHECKING:
    from tui.screens.quit import QuitChoice


class CharrnnApp(WatchingApp):
    """The dashboard with all its keys; the arguments are those of `WatchingApp`."""

    # --- keys ------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what does something now."""
        match action:
            case "change_lr" | "warm":
                return not self.viewer.is_over
            case "new_run":
                return self.can_begin
            case "go_on":
                return self.can_go_on
            case "detach":
                return self.can_detach
        return True

    def action_change_lr(self, factor: float) -> None:
        """Multiply the base learning rate."""
        self.send(self.viewer.knobs.learning_rate(factor))

    def action_warm(self, by: float) -> None:
        """Sample more boldly, or less."""
        self.send(self.viewer.knobs.temperature(by))

    def action_help(self) -> None:
        """Keys, and how to read each pane."""
        from tui.screens.help import HelpScreen

        current = self.dashboard.current
        others = [pane.HELP for pane in self.dashboard.panes.values() if pane is not current]
        self.push_screen(HelpScreen(current.HELP, ABOUT_KEYS, KEYS, "\n\n".join(others)))

    def action_new_run(self) -> None:
        """The form with all settings, filled in with those of this run."""
        from tui.screens.new_run import NewRunScreen

        settings = from_mapping(
            self.viewer.link.info.config | {"threads": 0, "workers": 0}
        )  # another network, others best
        info = self.viewer.link.info
        goes_on = info.detached or self.viewer.is_over
        self.push_screen(NewRunScreen(settings, self.begin_run, ends="" if goes_on else info.name))

    def action_go_on(self) -> None:
        """Go on with a run that has ended."""
        self.run_worker(self.go_on())

    def action_detach(self) -> None:
        """Let the run go on by itself, and watch it from here."""
        self.run_worker(self._watch_detached())

    async def _watch_detached(self) -> None:
        if await self.hand_over():
            self.notify("The run goes on when this screen is closed")

    async def _leave_detached(self) -> None:
        if await self.hand_over():
            self.end(save=False)

    # --- the end ---------------------------------------------------------------------------

    async def action_quit(self) -> None:
        """Ask what becomes of the run, where there is anything to ask."""
        from tui.screens.quit import QuitDialog

        if isinstance(self.screen, QuitDialog):
            self.screen.action_choose_first()
        elif self.viewer.is_over:
            self.end(save=False)
        else:
            dialog = QuitDialog(detached=self.viewer.link.info.detached, can_detach=self.can_detach)
            self.push_screen(dialog, self._quit)

    def _quit(self, choice: QuitChoice | None) -> None:
        if choice == "detach" and self.can_detach:
            self.run_worker(self._leave_detached())
        elif choice in ("save", "detach", "discard", "leave"):
            self.end(save=choice == "save", stop=choice != "leave")
