"""A run that begins with another one's weights: what is taken over, what is new, and that it is another run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from engine.config import Config
from engine.errors import ConfigError
from engine.network.model import Model
from engine.network.parameters import initialize
from engine.probes.reading import read_whole
from engine.runs.kept_text import load_text
from engine.runs.origin import Origin, origin_of
from engine.runs.reader import RunReader
from engine.runs.record import read_record
from engine.session.messages import View
from engine.session.snapshots import take_snapshot
from engine.session.start import new_session, resumed_session
from engine.text.vocabulary import Vocabulary
from tests.finished_run import TEXT, finish_run
from tests.small_run import trainer_in
from tui.app.foreground import first_remark
from tui.cli import main

OTHER = "über the lazy dog jumps the quick fox, 7 × as high!\n" * 60  # ü × , 7 ! are new, ( ) are not in it


def characters_of(text: str) -> tuple[str, ...]:
    return tuple(sorted(set(text)))


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "mingru", "minlstm"])
@pytest.mark.parametrize("kind", ["embedding", "onehot"])
def test_each_row_of_a_known_character_is_taken_over_to_the_bit(
    cell: str, kind: Literal["embedding", "onehot"]
) -> None:
    old, new = characters_of("abxyz("), characters_of("abcxyz(é")
    config = Config(cell=cell, input=kind, hidden=5, embedding=3, layers=2)
    drawn = np.random.default_rng(1)
    given = initialize(config.architecture(len(old)), drawn)
    fresh = initialize(config.architecture(len(new)), drawn)
    before = {name: view.copy() for name, view in fresh.views.items()}
    Origin("x", config, Vocabulary(old), given).give(fresh, Vocabulary(new))
    by_character = {
        "head.weight": 0,
        "head.bias": 0,
        ("embedding.weight" if kind == "embedding" else "rnn.weight_ih_l0"): None,
    }
    for name, view in fresh.views.items():
        if name not in by_character:
            assert view.tobytes() == given[name].tobytes(), name
            continue
        axis = view.shape.index(len(new))
        for code, character in enumerate(new):
            row = view.take(code, axis)
            if character in old:
                assert row.tobytes() == given[name].take(old.index(character), axis).tobytes(), (name, character)
            else:
                assert row.tobytes() == before[name].take(code, axis).tobytes(), (name, character)


def test_a_known_text_costs_what_it_cost_before(tmp_path: Path) -> None:
    """Over the larger vocabulary the logits of the old characters are the same, so nothing that was learnt is lost."""
    origin = origin_of(RunReader(finish_run(tmp_path / "old", steps=200)))
    (tmp_path / "other.txt").write_text(OTHER)
    config = origin.config.replace(text=(str(tmp_path / "other.txt"),), steps=40)
    session = new_session(config, tmp_path / "new", origin=origin)
    vocabulary = Vocabulary(session.record.vocabulary)
    text = "the quick brown fox (jumps) over the lazy dog\n"
    models = (Model(origin.parameters), origin.vocabulary), (session.loop.trainer.model, vocabulary)
    logits = []
    for model, known in models:
        codes, _ = known.encode(text)
        found = model.forward(model.workspace(len(codes), 1, train=False), codes[:, None])
        logits.append(found[[known.characters.index(each) for each in origin.vocabulary.characters]])
    np.testing.assert_allclose(logits[0], logits[1], rtol=1e-5, atol=1e-5)
    trainer = trainer_in(session)
    assert trainer.steps == 0
    assert not any(slot.any() for slot in trainer.optimizer.slots.values())
    drawn = new_session(config, tmp_path / "drawn")
    losses = [each.loop.trainer.validate() for each in (session, drawn)]
    assert losses[0] is not None
    assert losses[1] is not None
    assert losses[0].mean < losses[1].mean - 0.3  # it begins where the old run has come to
    session.run()
    drawn.close()


def test_the_run_says_what_it_began_with_and_is_found_again(tmp_path: Path) -> None:
    origin = origin_of(RunReader(finish_run(tmp_path / "old")), 20)
    (tmp_path / "other.txt").write_text(OTHER)
    config = origin.config.replace(text=(str(tmp_path / "other.txt"),), steps=12)
    session = new_session(config, tmp_path / "new", origin=origin)
    assert session.record.vocabulary == characters_of(OTHER + "".join(origin.vocabulary.characters))
    assert session.record.inherited == ("(", ")", "n", "v", "w") == tuple(sorted(set(TEXT) - set(OTHER)))
    assert set(session.record.fresh) == {"ü", "×", ",", "7", "!"}
    known = len(origin.vocabulary)
    assert first_remark(session) == (
        f"begins with the weights of old at step 20: {known} characters taken over as they were; "
        "new, and drawn afresh: '!', ',', '7', '×', 'ü'"
    )
    session.run()
    record = read_record(tmp_path / "new")
    assert record.origin == "old at step 20"
    assert load_text(tmp_path / "new", record).vocabulary.characters == record.vocabulary
    again = resumed_session(tmp_path / "new", steps=20)
    assert first_remark(again) == ""
    assert again.run() == "finished"
    reader = RunReader(tmp_path / "new")
    corpus = load_text(reader.path, reader.record)
    read = read_whole(Model(reader.weights()), corpus.train, corpus.valid)
    assert again.val_loss == pytest.approx(np.concatenate(read.losses).mean(), abs=1e-3)
    assert take_snapshot(again.loop, View(visible=()), urgent=False, obeyed=0).ladder is not None


def test_a_text_that_the_run_keeps_is_read_over_both_vocabularies(tmp_path: Path) -> None:
    origin = origin_of(RunReader(finish_run(tmp_path / "old")))
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "other.txt").write_text(OTHER)
    session = new_session(
        origin.config.replace(text=(str(tmp_path / "texts"),), steps=2), tmp_path / "new", origin=origin
    )
    session.run()
    (tmp_path / "texts" / "other.txt").unlink()
    corpus = load_text(tmp_path / "new", session.record)
    assert corpus.vocabulary.characters == session.record.vocabulary
    assert corpus.vocabulary.decode(corpus.codes) == OTHER


def test_a_record_with_characters_that_it_does_not_know_is_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finish_run(tmp_path / "run")
    values = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**values, "inherited": ["two"]}))
    assert main(["eval", str(run)]) == 2
    assert "inherited, fresh: have characters that the vocabulary has not" in capsys.readouterr().err


# --- by the command -----------------------------------------------------------------------------------------------


def trained(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert main(["train", *map(str, arguments), "--headless", "--steps", "10"]) == 0
    return capsys.readouterr().err


def test_the_command_takes_the_settings_over_except_where_it_is_told_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = finish_run(tmp_path / "old", cell="lstm", layers=2, lr=1e-3, schedule="cosine:500")
    (tmp_path / "other.txt").write_text(OTHER)
    said = trained(capsys, tmp_path / "other.txt", "--from", old, "--run", tmp_path / "new", "--batch", "3")
    assert "begins with the weights of old at step 30: " in said
    config = read_record(tmp_path / "new").config
    assert (config.cell, config.layers, config.lr, config.schedule) == ("lstm", 2, 1e-3, "cosine:500")
    assert (config.batch, config.steps, config.text) == (3, 10, (str(tmp_path / "other.txt"),))
    reader = RunReader(tmp_path / "new")
    np.testing.assert_array_equal(reader.weights(0)["rnn.weight_hh_l1"], RunReader(old).weights()["rnn.weight_hh_l1"])
    trained(capsys, tmp_path / "other.txt", "--from", old, "--weights", "20", "--run", tmp_path / "earlier")
    assert read_record(tmp_path / "earlier").origin == "old at step 20"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--from", "{old}"], "--from: needs a TEXT"),
        (["{text}", "--from", "{old}", "--hidden", "9"], "--hidden: 9 is not that of old at step 30, 8; leave it out"),
        (["{text}", "--from", "{old}", "--preset", "brackets"], "--hidden: 15 is not that of old"),
        (["{text}", "--from", "nowhere"], "nowhere"),
        (["{text}", "--from", "{old}", "--weights", "21"], "no weights are kept of step 21"),
        (["{text}", "--weights", "best"], "--weights: says which weights"),
        (["--resume", "{old}", "--from", "{old}"], "leave out --from"),
    ],
)
def test_what_cannot_be_begun_is_refused_in_one_sentence(
    arguments: list[str], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    old = finish_run(tmp_path / "old")
    (tmp_path / "other.txt").write_text(OTHER)
    given = [each.format(old=old, text=tmp_path / "other.txt") for each in arguments]
    capsys.readouterr()
    assert main(["train", *given, "--headless"]) == 2
    said = capsys.readouterr().err
    assert why in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_a_network_of_another_shape_is_refused() -> None:
    config = Config(hidden=5)
    origin = Origin("x", config, Vocabulary(("a",)), initialize(config.architecture(1), np.random.default_rng(0)))
    with pytest.raises(ConfigError, match="cell: rnn is not that of x, gru"):
        origin.require_network(config.replace(cell="rnn"))
