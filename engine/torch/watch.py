"""Makes a run of anybody's training loop in PyTorch, which viewers can open while it trains."""

from __future__ import annotations

import atexit
import math
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, SupportsFloat

from engine.arrays import Array
from engine.errors import UserError
from engine.foreign.names import match
from engine.foreign.network import settings_of_network
from engine.foreign.outside import OutsideTrainer
from engine.foreign.text import text_within
from engine.foreign.vocabulary import vocabulary_of
from engine.remote.server import RunServer
from engine.session.messages import Stop
from engine.session.pace import is_report_due
from engine.session.session import Session
from engine.session.start import begin, recorded
from engine.training.cores import blas

if TYPE_CHECKING:
    import torch

TURN_SECONDS = 0.25  # between two turns of the run at most, where nothing is due before: as often as a screen is drawn

CELLS = ("rnn", "gru", "lstm")
OPTIMIZERS = {"SGD": "sgd", "Adagrad": "adagrad", "RMSprop": "rmsprop", "AdamW": "adamw"}  # adam stands for all others


class Watch:
    """A run of the training loop that calls `step` after each of its steps.

        watch = Watch(model.gru, model.head, embedding=model.embedding, vocabulary=characters, text="novel.txt",
                      optimizer=optimizer)
        for inputs, targets in batches:
            ...
            optimizer.step()
            if not watch.step(loss):
                break
        watch.close()

    `rnn` is an `nn.RNN` (with tanh), `nn.GRU` or `nn.LSTM`, `head` the linear layer from h to the V logits, and
    `embedding` what stands before `rnn`; without it characters enter one-hot. `vocabulary` has the characters in index
    order, or their indices by character. `text`, a path or several, is what the instruments read; its last
    `validation`, a share, is the held-out text: the loop should not learn that. `seq` and `batch` are the time steps
    and sequences of a step of the loop. With an `optimizer`, viewers see and change its learning rate. The run is in
    the new directory `run`, by default one with a name of its own below `runs`.

    The weights are copied, from a GPU too, only when somebody looks or they are saved. Raises `UserError` if the
    modules are none of a network that this program knows, or the text or the directory cannot be used.
    """

    def __init__(
        self,
        rnn: torch.nn.Module,
        head: torch.nn.Module,
        *,
        embedding: torch.nn.Module | None = None,
        vocabulary: Iterable[str] | Mapping[str, int],
        text: str | Path | Sequence[str | Path],
        optimizer: torch.optim.Optimizer | None = None,
        seq: int = 50,
        batch: int = 32,
        validation: float = 0.1,
        run: str | Path | None = None,
    ) -> None:
        try:
            characters = vocabulary_of(vocabulary)
        except ValueError as error:
            raise UserError(f"vocabulary: {error}; give the characters in index order") from None
        modules = {"rnn": rnn, "head": head} | ({} if embedding is None else {"embedding": embedding})
        self._parameters = {
            f"{place}.{name}": parameter
            for place, module in modules.items()
            for name, parameter in module.named_parameters()
        }
        shapes = {name: tuple(parameter.shape) for name, parameter in self._parameters.items()}
        matched = match(shapes, _cell_of(rnn), len(characters), {place: place for place in modules})
        texts = [text] if isinstance(text, str | Path) else list(text)
        corpus = text_within(characters.ours, [str(each) for each in texts], validation, warnings.warn)
        self._optimizer = optimizer
        config = recorded(settings_of_network(matched), corpus).replace(
            validation=validation,
            seq=min(seq, len(corpus.train) - 1),
            batch=batch,
            optimizer=OPTIMIZERS.get(type(optimizer).__name__, "adam"),
            threads=1,
            workers=1,
        )
        self._trainer = OutsideTrainer(config, matched, characters, corpus, self._tensors, _Rate(optimizer))
        inherited = tuple(sorted(set(characters.ours.characters) - set(corpus.vocabulary.characters)))
        corpus = corpus.with_characters(inherited)
        self._session: Session = begin(
            self._trainer,
            corpus,
            None if run is None else Path(run),
            detached=True,
            inherited=inherited,
            origin=f"{type(rnn).__name__} in PyTorch",
        )
        self._session.loop.recorder.add_moment(self._trainer)  # of step 0: at the first `step` these weights are gone
        self._server = RunServer(self._session, self._session.directory)
        self._next_turn = 0.0
        self._blas = blas()
        self._turns = self._session.turns()
        self._turn()
        atexit.register(self.close)

    @property
    def run(self) -> Path:
        """The directory of the run."""
        return self._session.directory

    def step(self, loss: torch.Tensor | float) -> bool:
        """Note a step of the loop, whose `loss` is in nats per character; False once a viewer has stopped the run.

        While a viewer has paused the run, this waits. The run takes several steps at once, unless something is due or
        a viewer has sent a command: what it does between two steps costs the loop most where that is quick.
        """
        session, trainer = self._session, self._trainer
        if not session.is_over:
            number, now = trainer.made_steps + 1, time.monotonic()
            value = _number(loss)
            is_turn = (
                now >= self._next_turn
                or session.viewers.are_calling
                or session.state != "training"
                or session.loop.needs_weights(number)
                or (isinstance(value, float) and not math.isfinite(value))
            )
            is_noted = is_report_due(number) or (is_turn and session.is_watched)
            trainer.made(value, self._grad_norm() if is_noted else math.nan)
            if is_turn:
                self._turn()
                self._next_turn = now + TURN_SECONDS
            if session.is_over:
                self.close()
        return session.state != "stopped"

    def close(self) -> None:
        """Save, and end the run. The end of the program does so, too."""
        atexit.unregister(self.close)
        session = self._session
        try:
            if not session.is_over:
                session.send(Stop(save=True))
                self._turn()
            if not session.is_over:  # an interruption has ended the turns
                self._trainer.catch_up()
                session.loop.save("end")
        finally:
            if not session.is_over:
                session.close()
                session.is_over = True
            self._server.close()

    def _turn(self) -> None:
        """Let the run do what is due. Only for this time the BLAS has one thread."""
        with self._blas.limit(limits=1):
            next(self._turns, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _tensors(self) -> dict[str, Array]:
        return {name: parameter.detach().cpu().float().numpy() for name, parameter in self._parameters.items()}

    def _grad_norm(self) -> float:
        """The norm of the gradient in the parameters; NaN if there is none."""
        norms = [each.grad.norm() for each in self._parameters.values() if each.grad is not None]
        if not norms:
            return math.nan
        return math.sqrt(float(sum(norm.float().to(norms[0].device) ** 2 for norm in norms)))


def _number(loss: torch.Tensor | float) -> SupportsFloat:
    """A loss that does not change any more; one on a GPU stays there, because to read it is to wait for the GPU."""
    if isinstance(loss, int | float):
        return float(loss)
    loss = loss.detach()  # `float` warns of one that is not
    return float(loss) if loss.device.type == "cpu" else loss.clone()


class _Rate:
    """The learning rate of an optimiser of PyTorch's, which has one for each group of parameters."""

    def __init__(self, optimizer: torch.optim.Optimizer | None) -> None:
        self._groups: list[dict[str, Any]] = [] if optimizer is None else optimizer.param_groups

    def get(self) -> float:
        return float(self._groups[0]["lr"]) if self._groups else 0.0

    def scale(self, factor: float) -> None:
        for group in self._groups:
            group["lr"] *= factor


def _cell_of(rnn: torch.nn.Module) -> str:
    cell = type(rnn).__name__.lower()
    if cell not in CELLS:
        raise UserError(f"rnn: is a {type(rnn).__name__}; give an nn.RNN, nn.GRU or nn.LSTM")
    if getattr(rnn, "nonlinearity", "tanh") != "tanh":
        raise UserError(f"rnn: has the non-linearity {rnn.nonlinearity}; give one with tanh")
    return cell
