"""A setting is a field of `Config` with what is known of it; options, form, files and errors are made from that."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from textual.app import App
from textual.widgets import Input, Label, Static

from engine.config import LARGEST_TOML, PRESETS, Config, from_mapping, from_toml, read_toml
from engine.errors import ConfigError, UserError
from engine.network import cells
from engine.setting import setting, settings_of
from engine.training.optimizers import OPTIMIZERS
from tui.cli import main
from tui.cli.arguments.training import add_train
from tui.cli.commands import build_parser
from tui.cli.options import changes_of, config_of
from tui.cli.parser import Parser
from tui.screens.new_run import NewRunScreen


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended(Config):
    """The settings, and one more."""

    weight_noise: float = setting(0.5, "network", "added to each weight", metavar="STD", least=-10, below=10)


@pytest.fixture
def parser() -> Parser:
    parser = Parser("charrnn-tui train")
    add_train(parser, Extended())
    return parser


def test_a_field_is_an_option(parser: Parser) -> None:
    network = parser.format_help().partition("\nnetwork")[2].partition("\ntraining")[0]
    assert "--weight-noise STD (0.5)" in network
    options = parser.parse_args(["--weight-noise", "-1.5", "--hidden", "9"])
    assert config_of(options, Extended()) == Extended(weight_noise=-1.5, hidden=9)


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("-11", "-11.0 is too small; at least -10"),
        ("10", "10.0 is too large; it must be below 10"),
        ("nan", "nan is not a finite number"),
        ("much", "'much' is not a number"),
    ],
)
def test_its_bounds_are_checked(typed: str, problem: str, parser: Parser) -> None:
    with pytest.raises(ConfigError) as refused:
        config_of(parser.parse_args(["--weight-noise", typed]), Extended())
    assert refused.value.problems == {"weight_noise": problem}


def test_it_stands_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("weight_noise = 2\n")
    assert from_toml(file, Extended()) == Extended(weight_noise=2.0)
    with pytest.raises(UserError, match="weight_noise: there is no such setting"):
        from_toml(file)
    written = json.dumps(Extended(weight_noise=2).to_json())
    assert from_mapping(json.loads(written), Extended()) == Extended(weight_noise=2.0)


def test_a_byte_order_mark_does_not_make_a_file_invalid(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("hidden = 7\n", "utf-8-sig")
    assert from_toml(file).hidden == 7


def test_a_file_comes_through_a_pipe_and_has_an_end(tmp_path: Path) -> None:
    """As of `--config <(…)`: a pipe does not say how much will come, so no more is read than a file may have."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def write(data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError), pipe.open("wb") as file:
            file.write(data)

    for data, read in ((b"hidden = 8\r\nlayers = 2\r", {"hidden": 8, "layers": 2}), (b"#" * (LARGEST_TOML + 2), None)):
        writer = threading.Thread(target=write, args=(data,))
        writer.start()
        if read is None:
            with pytest.raises(UserError, match="has more than"):
                read_toml(pipe)
        else:
            assert read_toml(pipe) == read
        writer.join()


async def test_it_stands_in_the_form() -> None:
    begun: list[Config] = []

    async def begin(config: Config) -> None:
        begun.append(config)

    app: App[None] = App()
    async with app.run_test(size=(120, 60)) as pilot:
        form = NewRunScreen(Extended(), begin)
        await app.push_screen(form)
        row = form._rows["weight_noise"]
        assert str(row.query(Label).first().render()) == "weight_noise"
        note = row.query_one(".note", Static)
        assert str(note.render()) == "added to each weight"
        for typed, said in (("10", "it must be below 10"), ("3", "added to each weight")):
            row.query_one(Input).value = typed
            await pilot.press("ctrl+s")
            await pilot.pause()
            assert said in str(note.render())
        assert begun == [Extended(weight_noise=3.0)]


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({"hidden": 0}, {"hidden": "0 is too small; at least 1"}),
        ({"hidden": 10**16}, {"hidden": "10000000000000000 is too large; at most 1000000000000000"}),
        ({"seq": 2.5}, {"seq": "2.5 is not a whole number"}),
        ({"batch": True}, {"batch": "True is not a whole number"}),
        ({"lr": 0}, {"lr": "0.0 is too small; it must be above 0"}),
        ({"dropout": 1, "layers": 2}, {"dropout": "1.0 is too large; it must be below 1"}),
        ({"dropout": 0.5}, {"dropout": "0.5 acts between layers, and there is one; ask for more layers, or for 0"}),
        ({"validation": "0.6"}, {"validation": "0.6 is too large; at most 0.5"}),
        ({"cell": "foo"}, {"cell": f"'foo' is none of {', '.join(cells.CELLS)}"}),
        ({"steps": 0}, {"steps": "0 is too small; at least 1"}),
        ({"text": []}, {"text": "name at least one"}),
        ({"clip": "norm:0"}, {"clip": "'norm:0' is none of none, norm:MAX, value:MAX with MAX above 0"}),
        ({"seed": -1, "threads": "x"}, {"seed": "-1 is too small; at least 0", "threads": "'x' is not a whole number"}),
    ],
)
def test_every_bad_setting_is_named(values: dict[str, object], problems: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as refused:
        from_mapping(values)
    assert refused.value.problems == problems


def test_plain_values_are_converted() -> None:
    config = from_mapping({"text": "a b", "hidden": "7", "seq": 20.0, "lr": 1, "clip": 5, "steps": ""})
    assert config == Config(text=("a b",), hidden=7, seq=20, lr=1.0, clip="5", steps=None)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_in_order(name: str) -> None:
    assert from_mapping(PRESETS[name]) == Config(**PRESETS[name])


def test_choices_are_those_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_of(Config)["optimizer"].choices == tuple(OPTIMIZERS)
    assert settings_of(Config)["loss"].choices == ("every", "last")
    monkeypatch.setitem(cells.CELLS, "toy", "nowhere:Toy")
    assert Config(cell="toy").cell == "toy"
    assert f"--cell {'|'.join(cells.CELLS)} (gru)" in build_parser("train").format_help()


def test_the_command_line_names_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--headless", "--hidden", "0", "--seed", "x"]) == 2
    assert capsys.readouterr().err == (
        "charrnn-tui: --hidden: 0 is too small; at least 1; --seed: 'x' is not a whole number\n"
    )
    text = tmp_path / "text.txt"
    text.write_text("abc" * 10)
    assert main(["train", str(text), "--headless", "--run", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.startswith("charrnn-tui: --seq: 50 steps need 51 characters")


def test_a_resumed_run_is_given_only_its_end_its_moments_and_the_cores() -> None:
    parser = build_parser("train")
    free = parser.parse_args(["--resume", "otter", "--steps", "7", "--workers", "2", "--moments", "3e"])
    assert changes_of(free) == {"steps": 7, "workers": 2, "moments": "3e"}
    with pytest.raises(UserError, match=r"leave out --hidden, --preset \(only --steps, --patience, --moments, "):
        changes_of(parser.parse_args(["text", "--resume", "otter", "--hidden", "9", "--preset", "brackets"]))
