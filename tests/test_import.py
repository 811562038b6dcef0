"""Networks that PyTorch made are imported, and every instrument says of them what autograd says."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine.errors import UserError
from engine.foreign.vocabulary import ForeignVocabulary, read_vocabulary
from engine.network.model import Model
from engine.remote.archive import ArchiveLink
from engine.runs.reader import RunReader
from engine.session.messages import SetView, View
from engine.torch.files import read_weights
from tests.e2e.program import run
from tests.torch_networks import SHUFFLED, CharRNN, codes_of, connectivity, gradient_norms
from tests.waiting import wait_for
from tui.cli import main

NETWORKS = [  # cell, layers, width of the embedding
    ("rnn", 1, None),
    ("rnn", 2, 5),
    ("gru", 1, 6),
    ("gru", 2, None),
    ("lstm", 1, 7),
    ("lstm", 2, 5),
]
TEXT = "the rain on the hill, and the old road by the sea.\n" * 40
PROMPT = "the old road by the"


def network(cell: str = "gru", layers: int = 1, width: int | None = 6, **options: Any) -> CharRNN:
    torch.manual_seed(7)
    return CharRNN(cell, len(SHUFFLED), 8, layers, width, **options)


def imported(place: Path, made: CharRNN, cell: str, *options: str, vocabulary: str | None = None) -> int:
    """Save the network in `place` as people do, and import it into `place/run`; the exit code."""
    save_file({name: each.contiguous() for name, each in made.state_dict().items()}, place / "net.safetensors")
    (place / "vocabulary.json").write_text(json.dumps(list(SHUFFLED)) if vocabulary is None else vocabulary)
    (place / "text.txt").write_text(TEXT)
    common = ["--vocabulary", str(place / "vocabulary.json"), "--cell", cell, "--run", str(place / "run")]
    return main(["import", str(place / "net.safetensors"), *common, *options])


@pytest.mark.parametrize(("cell", "layers", "width"), NETWORKS)
def test_logits_connectivity_and_gradient_flow_are_those_of_autograd(
    cell: str, layers: int, width: int | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = network(cell, layers, width)
    assert imported(tmp_path, made, cell, "--text", str(tmp_path / "text.txt")) == 0
    run = RunReader(tmp_path / "run")
    assert (run.config.cell, run.config.layers, run.state) == (cell, layers, "stopped")
    exact = made.double()

    model = Model(run.weights().astype(np.float64))
    codes = np.array([run.vocabulary.index(character) for character in PROMPT])
    ours = model.forward(model.workspace(len(codes), 1, train=False), codes[:, None]).T
    theirs = exact(codes_of(PROMPT, SHUFFLED))[:, 0].detach().numpy()
    places = [SHUFFLED.index(character) for character in run.vocabulary]
    np.testing.assert_allclose(ours, theirs[:, places], rtol=1e-4, atol=1e-6)

    capsys.readouterr()
    assert main(["probe", str(tmp_path / "run"), PROMPT, "--json"]) == 0
    answer = np.array(json.loads(capsys.readouterr().out)["connectivity"])[:-1]
    np.testing.assert_allclose(answer, connectivity(exact, PROMPT, SHUFFLED), rtol=1e-4, atol=1e-12)

    assert main(["gradients", str(tmp_path / "run"), "--json"]) == 0
    flow = json.loads(capsys.readouterr().out)
    numbers = torch.tensor(places)
    inputs, targets = numbers[torch.tensor(flow["inputs"])], numbers[torch.tensor(flow["targets"])]
    np.testing.assert_allclose(flow["norms"], gradient_norms(exact, inputs, targets), rtol=1e-4)


@pytest.mark.parametrize("cell", ["mingru", "minlstm"])
def test_a_minimal_cell_is_imported_too(cell: str, tmp_path: Path) -> None:
    made = network(cell, 2)
    assert imported(tmp_path, made, cell) == 0
    run = RunReader(tmp_path / "run")
    model = Model(run.weights().astype(np.float64))
    codes = np.array([run.vocabulary.index(character) for character in PROMPT])
    ours = model.forward(model.workspace(len(codes), 1, train=False), codes[:, None]).T
    theirs = made.double()(codes_of(PROMPT, SHUFFLED))[:, 0].detach().numpy()
    np.testing.assert_allclose(ours, theirs[:, [SHUFFLED.index(each) for each in run.vocabulary]], rtol=1e-4, atol=1e-6)


def test_without_a_text_the_run_reads_what_the_network_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imported(tmp_path, network(), "gru") == 0
    run = str(tmp_path / "run")
    record = RunReader(tmp_path / "run").record
    assert (record.text_name, record.origin) == ("its own samples", "net.safetensors")
    for command in (
        ["runs", str(tmp_path), "--list"],
        ["sample", run, "--length", "30"],
        ["gradients", run, "--spectrum"],
        ["inside", run, "the"],
        ["cells", run],
        ["eval", run],
        ["eval", run, "--weights", "best"],
    ):
        capsys.readouterr()
        assert main(command) == 0, command
        assert capsys.readouterr().out.strip()


def test_every_pane_shows_it(tmp_path: Path) -> None:
    imported(tmp_path, network("lstm", 2), "lstm", "--text", str(tmp_path / "text.txt"))
    link = ArchiveLink(tmp_path / "run")
    shown = ("gradients", "connectivity", "cells", "samples", "where", "spectrum", "gates", "contexts", "portrait")
    seen: dict[str, Any] = {}

    def is_answered() -> bool:
        if snapshot := link.take():
            seen.update({name: getattr(snapshot, name) for name in answers if getattr(snapshot, name) is not None})
            seen["val_loss"] = snapshot.val_loss
        return answers <= {*seen}

    answers = {"gradients", "connectivity", "cells", "sample", "where"}
    answers |= {"eigenvalues", "exponents", "saturation", "contexts", "portrait"}
    try:
        link.send(SetView(View(visible=shown)))
        wait_for(is_answered)
        assert seen["val_loss"] == pytest.approx(np.log(len(SHUFFLED)), rel=0.2)  # an untrained network guesses
    finally:
        link.close()


def test_it_goes_on_as_an_ordinary_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imported(tmp_path, network(), "gru", "--text", str(tmp_path / "text.txt"))
    assert main(["train", "--resume", str(tmp_path / "run"), "--headless", "--steps", "100"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows[0]["step"] == 0
    assert rows[0].keys() >= {"val_loss", "val_loss_se", "reach", "reach_se", "lambda1"}
    assert rows[-1]["val_loss"] < rows[0]["val_loss"] - 0.1


def test_characters_that_the_network_does_not_know_are_left_out_of_the_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.txt").write_text("THE rain\u00e9! " * 100 + TEXT)
    assert imported(tmp_path, network(), "gru", "--text", str(tmp_path / "other.txt")) == 0
    assert "other.txt: 500 of " in (said := capsys.readouterr().err)
    assert "'!', 'E', 'H', 'T', 'é'" in said
    run = RunReader(tmp_path / "run")
    assert sorted(run.vocabulary) == sorted(SHUFFLED)
    assert (tmp_path / "run" / "text.txt").read_text() == " rain " * 100 + TEXT


def test_a_network_without_biases_has_biases_of_zero(tmp_path: Path) -> None:
    assert imported(tmp_path, network(bias=False), "gru") == 0
    parameters = RunReader(tmp_path / "run").weights()
    assert not parameters["rnn.bias_hh_l0"].any()
    assert not parameters["head.bias"].any()
    assert parameters["head.weight"].any()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_precisions_are_read(kind: torch.dtype, tmp_path: Path) -> None:
    made = network().to(kind)
    assert imported(tmp_path, made, "gru") == 0
    run = RunReader(tmp_path / "run")
    order = [SHUFFLED.index(character) for character in run.vocabulary]
    np.testing.assert_array_equal(run.weights()["head.weight"], made.fc.weight.detach().float().numpy()[order])


@pytest.mark.parametrize(
    "write",
    [
        lambda made, file: torch.save(made.state_dict(), file),
        lambda made, file: torch.save({"epoch": 3, "model": made.state_dict(), "rng": torch.zeros(2)}, file),
        lambda made, file: torch.save(made.state_dict(), file, _use_new_zipfile_serialization=False),
    ],
)
def test_a_state_dict_of_torch_save_is_read(write: Any, tmp_path: Path) -> None:
    made = network()
    (tmp_path / "vocabulary.txt").write_text(SHUFFLED)  # and the vocabulary may be a text
    write(made, tmp_path / "net.pt")
    options = ["--vocabulary", str(tmp_path / "vocabulary.txt"), "--cell", "gru", "--run", str(tmp_path / "run")]
    assert main(["import", str(tmp_path / "net.pt"), *options]) == 0
    ours = RunReader(tmp_path / "run").weights()["rnn.weight_hh_l0"]
    np.testing.assert_array_equal(ours, made.gru.weight_hh_l0.detach().numpy())


def test_numbers_that_overflow_are_no_warnings_in_the_words_of_numpy(tmp_path: Path) -> None:
    """What a library warns of is for programmers, with lines of code; a user would take it for a failure."""
    (tmp_path / "vocabulary.txt").write_text(SHUFFLED)
    save_file({name: torch.full_like(each, 3e38) for name, each in network().state_dict().items()}, tmp_path / "net")
    done = run("import", "net", "--vocabulary", "vocabulary.txt", "--cell", "gru", "--run", "it", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("text", [json.dumps(list(SHUFFLED)), SHUFFLED])
def test_a_byte_order_mark_is_no_character_of_a_vocabulary(text: str, tmp_path: Path) -> None:
    (tmp_path / "vocabulary").write_text(text, "utf-8-sig")
    assert len(read_vocabulary(tmp_path / "vocabulary")) == len(SHUFFLED)


def test_an_object_of_indices_is_a_vocabulary_too() -> None:
    from engine.foreign.vocabulary import vocabulary_of

    ours = vocabulary_of({"b": 0, "a": 1, "c": 2})
    assert (ours.ours.characters, ours.order.tolist()) == (("a", "b", "c"), [1, 0, 2])
    assert ForeignVocabulary("bac").order.tolist() == [1, 0, 2]


class Twofold(CharRNN):
    """Embedding and head have the same shape, and the head has no bias: only the user knows which is which."""

    def __init__(self) -> None:
        super().__init__("gru", len(SHUFFLED), 8, 1, 8)
        self.fc = torch.nn.Linear(8, len(SHUFFLED), bias=False)


def test_where_two_tensors_fit_one_sentence_asks_which_one_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Twofold()
    assert imported(tmp_path, made, "gru") == 2
    said = capsys.readouterr().err
    assert "'encoder.weight' and 'fc.weight' fit head.weight (26, 8); say which one it is" in said
    assert "--map head.weight=NAME" in said
    assert not (tmp_path / "run").exists()
    assert imported(tmp_path, made, "gru", "--map", "head.weight=fc.weight") == 0
    order = [SHUFFLED.index(character) for character in RunReader(tmp_path / "run").vocabulary]
    theirs = made.encoder.weight.detach().numpy() if made.encoder is not None else None
    assert theirs is not None
    np.testing.assert_array_equal(RunReader(tmp_path / "run").weights()["embedding.weight"], theirs[order])


class Payload:
    """What a hostile pickle holds: loading it would make a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


def with_more(made: CharRNN) -> dict[str, torch.Tensor]:
    return {**made.state_dict(), "norm.weight": torch.ones(8)}


def without(made: CharRNN, *names: str) -> dict[str, torch.Tensor]:
    return {name: each for name, each in made.state_dict().items() if name not in names}


class Two(CharRNN):
    """Two recurrent modules."""

    def __init__(self) -> None:
        super().__init__("gru", len(SHUFFLED), 8, 1, 6)
        self.second = torch.nn.GRU(6, 8)


WRONG: dict[str, tuple[Any, str, str]] = {  # what is saved, the cell, and what the sentence says
    "another cell": (lambda: network().state_dict(), "lstm", "is it of gru"),
    "a surplus tensor": (lambda: with_more(network()), "gru", "norm.weight (8,)"),
    "a missing bias": (lambda: without(network(), "gru.bias_hh_l0"), "gru", "no tensor for rnn.bias_hh_l0"),
    "a missing matrix": (lambda: without(network(), "gru.weight_hh_l0"), "gru", "no tensor for rnn.weight_hh_l0"),
    "no head": (lambda: without(network(), "fc.weight", "fc.bias"), "gru", "no tensor of shape (26, 8)"),
    "two modules": (lambda: Two().state_dict(), "gru", "--map rnn=NAME"),
    "another vocabulary": (lambda: CharRNN("gru", 30, 8, 1, 6).state_dict(), "gru", "fc.weight (30, 8)"),
    "both directions": (
        lambda: {**network().state_dict(), "gru.weight_ih_l0_reverse": torch.zeros(24, 6)},
        "gru",
        "reads the text backwards",
    ),
    "not a number": (
        lambda: {**network().state_dict(), "fc.bias": torch.full((26,), torch.nan)},
        "gru",
        "numbers that are not finite",
    ),
    "nothing recurrent": (lambda: {"a.weight": torch.zeros(3, 3)}, "gru", "weight_ih_l0"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_networks_are_refused_in_one_sentence(
    wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, cell, expected = WRONG[wrong]
    save_file({name: each.contiguous() for name, each in make().items()}, tmp_path / "net.safetensors")
    torch.save(make(), tmp_path / "net.pt")
    (tmp_path / "vocabulary.txt").write_text(SHUFFLED)
    for file in ("net.safetensors", "net.pt"):
        options = ["--vocabulary", str(tmp_path / "vocabulary.txt"), "--cell", cell, "--run", str(tmp_path / "run")]
        assert main(["import", str(tmp_path / file), *options]) == 2
        said = capsys.readouterr().err
        assert expected in said
        assert len(said.splitlines()) == 1
        assert not (tmp_path / "run").exists()


def test_wrong_files_are_refused_in_one_sentence_and_nothing_in_them_is_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = network()
    (tmp_path / "vocabulary.txt").write_text(SHUFFLED)
    torch.save(made, tmp_path / "whole.pt")
    torch.save(Payload(tmp_path / "ran"), tmp_path / "hostile.pt")
    torch.save({"a": made.state_dict(), "b": made.state_dict()}, tmp_path / "two.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save(made.state_dict(), tmp_path / "net.pt")
    save_file(made.state_dict(), tmp_path / "net.safetensors")
    whole = (tmp_path / "net.pt").read_bytes()
    (tmp_path / "short.pt").write_bytes(whole[: len(whole) // 2])
    whole = (tmp_path / "net.safetensors").read_bytes()
    (tmp_path / "short.safetensors").write_bytes(whole[:-9])
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text(TEXT)
    expected = {
        "whole.pt": "has more in it than tensors",
        "hostile.pt": "has more in it than tensors",
        "two.pt": "has 2 state dicts in it",
        "list.pt": "has no state dict in it",
        "short.pt": "is damaged",
        "short.safetensors": "is damaged",
        "empty": "is damaged",
        "/proc/self/status": "is damaged",  # such a file says that it has no bytes, and may have no end
        "text": "is damaged",
        ".": "cannot be read",
        "nothing": "cannot be read",
    }
    for file, words in expected.items():
        options = ["--vocabulary", str(tmp_path / "vocabulary.txt"), "--cell", "gru", "--run", str(tmp_path / "run")]
        assert main(["import", str(tmp_path / file), *options]) == 2, file
        said = capsys.readouterr().err
        assert words in said, (file, said)
        assert len(said.splitlines()) == 1
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "run").exists()


def packed(file: Path) -> None:
    """A zip file of a few megabytes with terabytes in it, as its directory says."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("net/data.pkl", b"\0" * 1000)
    said = bytearray(file.read_bytes())
    entry = said.rindex(b"PK\x01\x02")
    said[entry + 24 : entry + 28] = (2**32 - 2).to_bytes(4, "little")  # bytes once it is unpacked
    file.write_bytes(said)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: torch.zeros(1).half().expand(10**7, 10**7), "of memory, and this machine has"),
        (lambda: torch.zeros(3, 3, device="meta"), "a.weight cannot be read"),
        (lambda: torch.zeros(3, 3).to_sparse(), "a.weight has no ordinary floating-point numbers"),
        (lambda: torch.zeros(3, 3, dtype=torch.complex64), "a.weight has no ordinary floating-point numbers"),
    ],
    ids=["one number for many", "none", "sparse", "complex"],
)
def test_tensors_that_no_network_has_are_refused_before_they_take_memory(
    make: Callable[[], torch.Tensor], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "vocabulary.txt").write_text(SHUFFLED)
    torch.save({"a.weight": make()}, tmp_path / "net.pt")
    options = ["--vocabulary", str(tmp_path / "vocabulary.txt"), "--cell", "gru"]
    assert main(["import", str(tmp_path / "net.pt"), *options]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert len(said.splitlines()) == 1


def test_a_packed_file_is_as_large_as_what_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed(tmp_path / "net.pt")
    monkeypatch.setattr("engine.training.memory._there", lambda: 1 << 30)
    with pytest.raises(UserError, match="what is in it needs 4 GB of memory"):
        read_weights(tmp_path / "net.pt")


@pytest.mark.parametrize("shape", [[1] * 100, [0, 10**15, 10**15]])
def test_shapes_that_numpy_does_not_know_are_damage(shape: list[int], tmp_path: Path) -> None:
    size = 4 * math.prod(shape)
    head = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}).encode()
    (tmp_path / "net.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + bytes(size))
    with pytest.raises(UserError, match="a: has the shape"):
        read_weights(tmp_path / "net.safetensors")


@pytest.mark.parametrize(
    ("vocabulary", "expected"),
    [
        ("", "there is no character in it"),
        ("abca", "'a' is there 2 times"),
        ('["a", "bc"]', "'bc' is not one character"),
        ('["a", 3]', "3 is not one character"),
        (r'["a", "\ud800"]', "is half a character"),
        ('{"a": 0, "b": 2}', "which is not one of 0 … V − 1"),
        ('{"a": 0, "b": 0}', "index 0 is there twice"),
        ('{"a": 0, "a": 1}', "is there twice"),
        ('["a", "b"', "it is no JSON"),
        ("\udcff", "is not UTF-8"),
    ],
)
def test_wrong_vocabularies_are_refused(
    vocabulary: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "vocabulary").write_bytes(vocabulary.encode("utf-8", "surrogateescape"))
    options = ["--vocabulary", str(tmp_path / "vocabulary"), "--cell", "gru"]
    assert main(["import", str(tmp_path / "none"), *options]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert len(said.splitlines()) == 1
