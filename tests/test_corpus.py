"""Texts become codes: names, files, directories, standard input, encodings, and large texts on disk."""

import io
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, strategies

from engine.errors import UserError
from engine.text import brackets, corpus, known, source, streams
from engine.text.corpus import Corpus, load_corpus
from engine.text.vocabulary import Vocabulary, code_points
from tests.brackets_text import brackets_text

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8


def text_of(loaded: Corpus) -> str:
    return loaded.vocabulary.decode(loaded.codes)


def write(path: Path, content: str | bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return str(path)


any_character = strategies.characters()  # lone surrogates too
few_characters = strategies.sampled_from("ab\0\r\n é\u0301物😀\U0010ffff\ud800\udfff")


@given(strategies.sets(any_character | few_characters, min_size=1), strategies.text(any_character | few_characters))
@example({"b", "d"}, "a😀bcd\ud800e")
@example({"a"}, "")
def test_known_characters_are_encoded_and_unknown_ones_left_out_in_order(characters: set[str], text: str) -> None:
    vocabulary = Vocabulary(tuple(sorted(characters)))
    codes, skipped = vocabulary.encode(text)
    known = [character for character in text if character in characters]
    assert codes.tolist() == [vocabulary.characters.index(character) for character in known]
    assert vocabulary.decode(codes) == "".join(known)
    assert skipped == "".join(character for character in text if character not in characters)


def test_vocabulary_refuses_an_index_that_is_no_character() -> None:
    vocabulary = Vocabulary(("a", "b"))
    for index in (-1, 2):
        with pytest.raises(IndexError):
            vocabulary.decode(np.array([index]))


@pytest.mark.parametrize("characters", [(), ("b", "a"), ("a", "a"), ("ab",), ("", "a")])
def test_vocabulary_refuses_what_is_not_one(characters: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="at least one character"):
        Vocabulary(characters)


@pytest.mark.parametrize(
    ("name", "least", "contains"),
    [
        ("saltmere", 60_000, "Agnes"),
        ("physics", 30_000, r"\begin{equation}"),
        ("lantern", 60_000, "#include"),
        ("brackets", 1_000_000, "( "),
        ("stdlib", 5_000_000, "def "),
        ("pydoc", 100_000, "yield"),
    ],
)
def test_every_known_text_loads(name: str, least: int, contains: str) -> None:
    loaded = load_corpus([name])
    assert loaded.name == name
    assert loaded.length == len(loaded.codes) >= least
    assert contains in text_of(loaded)
    assert loaded.is_brackets == (name == "brackets")
    assert loaded.vocabulary.characters == tuple(sorted(set(text_of(loaded))))
    assert known.KNOWN[name]


def test_known_texts_are_all_listed() -> None:
    assert list(known.KNOWN) == ["saltmere", "physics", "lantern", "brackets", "stdlib", "pydoc"]


def test_brackets_take_a_size_and_a_seed() -> None:
    assert load_corpus(["brackets:500"]).length == 500
    assert text_of(load_corpus(["brackets:500:7"])) == brackets_text(500, 7)
    assert text_of(load_corpus(["brackets:500:7"])) != text_of(load_corpus(["brackets:500:8"]))


def test_entropy_is_known_for_the_brackets_language_whatever_its_name(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.txt", brackets_text(20_000, 3))
    assert load_corpus([file]).entropy == brackets.entropy_rate()
    assert load_corpus([write(tmp_path / "other", "( ) 0 4 3 2 1 " * 100)]).entropy is None
    assert load_corpus(["physics"]).entropy is None


def test_a_known_name_wins_over_a_file_and_a_slash_means_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "physics", "mine")
    assert load_corpus(["physics"]).length > 30_000
    assert text_of(load_corpus(["./physics"])) == "mine"


def test_characters_stay_as_they_are(tmp_path: Path) -> None:
    text = "a\r\nb\tc\0d\x1b[31m\u2028é物😀\ufeff\n"
    assert text_of(load_corpus([write(tmp_path / "a.txt", text)])) == text


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("utf-8", "utf-8"), ("utf-8", "utf-8-sig"), ("utf-16", "utf-16"), ("UTF8", "utf-8"), ("cp1252", "cp1252")],
)
def test_encodings_give_the_same_text_and_fingerprint(
    tmp_path: Path, encoding: str, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "CHUNK", 1)  # every character of more than one byte is cut in two
    text = "naïve “quotes” — café\r\n"
    loaded = load_corpus([write(tmp_path / "a.txt", text.encode(written))], encoding=encoding)
    assert text_of(loaded) == text
    assert loaded.fingerprint == load_corpus([write(tmp_path / "b.txt", text)]).fingerprint


def test_the_fingerprint_tells_texts_apart(tmp_path: Path) -> None:
    prints = {load_corpus([write(tmp_path / "a", text)]).fingerprint for text in ("ab", "ba", "abb", "bc", "cb")}
    assert len(prints) == 5


def test_several_texts_are_joined_in_order(tmp_path: Path) -> None:
    first, second = write(tmp_path / "z.txt", "zz"), write(tmp_path / "a.txt", "\ufeffaa")
    loaded = load_corpus([first, "-", second], stdin=io.BytesIO(b"in"))
    assert text_of(loaded) == "zzinaa"
    assert loaded.name == "z.txt and 2 more"


def test_a_directory_gives_its_texts_sorted_and_names_what_it_leaves_out(tmp_path: Path) -> None:
    write(tmp_path / "d" / "b.txt", "B")
    write(tmp_path / "d" / "a" / "x.txt", "X")
    write(tmp_path / "d" / "empty", "")
    write(tmp_path / "d" / "late.bin", b"q" * 50 + b"\xff")
    write(tmp_path / "d" / "p.png", PNG)
    write(tmp_path / "d" / ".git" / "config", "hidden")
    write(tmp_path / "d" / ".hidden", "hidden")
    loaded = load_corpus([str(tmp_path / "d")])
    assert text_of(loaded) == "XB"
    assert loaded.name == "d"
    assert loaded.left_out == tuple(f"{tmp_path / 'd' / name} (not utf-8 text)" for name in ("late.bin", "p.png"))
    assert loaded.vocabulary.characters == ("B", "X")


def test_a_named_pipe_is_read_like_standard_input(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, "piped é".encode())
    os.close(writing)
    assert text_of(load_corpus([f"/dev/fd/{reading}"])) == "piped é"
    os.close(reading)


def test_the_split_is_by_position(tmp_path: Path) -> None:
    loaded = load_corpus([write(tmp_path / "a", "abcdefghij" * 10)], validation=0.25)
    assert loaded.vocabulary.decode(loaded.train) + loaded.vocabulary.decode(loaded.valid) == "abcdefghij" * 10
    assert len(loaded.valid) == 25
    assert len(load_corpus([str(tmp_path / "a")], validation=0).valid) == 0


@pytest.mark.parametrize(("seq", "part"), [(24, "valid"), (25, "train")])
def test_what_is_held_out_has_room_for_a_window(tmp_path: Path, seq: int, part: str) -> None:
    loaded = load_corpus([write(tmp_path / "a", "abcdefghij" * 10)], validation=0.25)
    assert loaded.held_out(seq).tolist() == getattr(loaded, part).tolist()


def test_one_character_repeated_is_a_text(tmp_path: Path) -> None:
    loaded = load_corpus([write(tmp_path / "a", "a" * 100)])
    assert len(loaded.vocabulary) == 1
    assert not loaded.codes.any()


def test_codes_are_narrow_and_read_only(tmp_path: Path) -> None:
    for count, dtype in ((256, np.uint8), (257, np.uint16), (65_537, np.uint32)):
        text = "".join(chr(0xE000 + i) if i < 6000 else chr(0x10000 + i) for i in range(count))
        loaded = load_corpus([write(tmp_path / "a", text)])
        assert loaded.codes.dtype == dtype
        assert loaded.codes.tolist() == list(range(count))
        with pytest.raises(ValueError, match="read-only"):
            loaded.codes[0] = 0


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.txt", b"", "empty.txt: is empty"),
        ("bom.txt", b"\xef\xbb\xbf", "bom.txt: is empty"),
        ("a.png", PNG, r"a\.png: is not utf-8 text \(byte 0x89 at 0\)"),
        ("late.txt", "é".encode() * 40 + b"\xe9!", r"late\.txt: is not utf-8 text \(byte 0xe9 at 80\)"),
        ("cut.txt", "abcé".encode()[:-1], r"cut\.txt: is not utf-8 text \(byte 0xc3 at 3\)"),
        ("d/a.png", PNG, "has no utf-8 text in it"),
    ],
)
def test_what_is_not_text_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, says: str
) -> None:
    monkeypatch.setattr(source, "CHUNK", 7)
    write(tmp_path / name, content)
    with pytest.raises(UserError, match=says):
        load_corpus([str(tmp_path / name.split("/")[0])])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("phisics", "no such file or text; did you mean physics?"),
        ("no/such/file", "no such file or text; name a file"),
        ("a\0b", "no such file or text"),
        ("pyproject.toml/x", "no such file or text"),
        ("/dev/null", "is a device"),
        ("-", "nothing is piped into standard input"),
        ("brackets:many", "write brackets, brackets:SIZE or brackets:SIZE:SEED"),
        ("brackets:0", "write brackets, brackets:SIZE"),
        ("brackets:1:2:3", "write brackets, brackets:SIZE"),
        (f"brackets:{10**12}", "is too long to be made; ask for 100,000,000 characters at most"),
        ("brackets:" + "9" * 5000, "write brackets, brackets:SIZE"),
        ("/dev/zero", "is a device"),
        ("x" * 300, "cannot be read"),
    ],
)
def test_what_is_no_text_gets_one_sentence(text: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UserError, match=says) as caught:
        load_corpus([text])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["no-such", "hex", "rot13", "a\0b", ""])
def test_an_encoding_that_is_none_is_refused(encoding: str) -> None:
    with pytest.raises(UserError, match=r"'.*' is no text encoding"):
        load_corpus(["physics"], encoding=encoding)


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="a file that even root cannot read from its start")
def test_an_unreadable_file_is_named() -> None:
    with pytest.raises(UserError, match=r"/proc/self/mem: cannot be read \(Input/output error\)"):
        load_corpus(["/proc/self/mem"])


def test_a_text_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.txt", "abc" * 100)

    def edit(share: float) -> None:
        if share == 0.5:
            write(tmp_path / "a.txt", "acb" * 100)

    with pytest.raises(UserError, match="changed while it was being read"):
        load_corpus([file], progress=edit)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on ten bytes are a large text."""
    monkeypatch.setattr(corpus, "LARGE", 10)


class Counted:
    """A function that counts its calls."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.calls = function, 0

    def __call__(self, *arguments: Any) -> Any:
        self.calls += 1
        return self.function(*arguments)


LARGE_TEXT = "large text, 物理 " * 50


def test_a_large_text_is_the_same_mapped_as_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "a.txt", LARGE_TEXT)
    small = load_corpus([file])
    monkeypatch.setattr(corpus, "LARGE", 10)
    monkeypatch.setattr(source, "CHUNK", 17)
    shares: list[float] = []
    for _ in range(2):
        mapped = load_corpus([file], cache=tmp_path / "cache", progress=shares.append)
        assert isinstance(mapped.codes, np.memmap)
        assert mapped.codes.dtype == small.codes.dtype
        assert text_of(mapped) == LARGE_TEXT
        assert mapped.vocabulary == small.vocabulary
        assert mapped.fingerprint == small.fingerprint
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] == 1


def test_a_large_text_is_encoded_once(tmp_path: Path, large: None, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "d" / "a.txt", LARGE_TEXT)
    write(tmp_path / "d" / "a.png", PNG)
    first = load_corpus([str(tmp_path / "d")], cache=tmp_path / "cache")
    monkeypatch.setattr(corpus, "encode", None)
    again = load_corpus([str(tmp_path / "d")], cache=tmp_path / "cache")
    assert text_of(again) == LARGE_TEXT
    assert again.left_out == first.left_out == (f"{tmp_path / 'd' / 'a.png'} (not utf-8 text)",)


def test_an_edited_large_text_replaces_its_encoding(tmp_path: Path, large: None) -> None:
    for text in (LARGE_TEXT, LARGE_TEXT[::-1]):
        file = write(tmp_path / "a.txt", text)
        assert text_of(load_corpus([file], cache=tmp_path / "cache")) == text
    load_corpus([str(tmp_path / "a.txt")], encoding="latin-1", cache=tmp_path / "cache")
    assert len(os.listdir(tmp_path / "cache")) == 2  # one for each encoding, none left from before the edit


def test_a_damaged_encoding_is_made_again(tmp_path: Path, large: None) -> None:
    file = write(tmp_path / "a.txt", LARGE_TEXT)
    load_corpus([file], cache=tmp_path / "cache")
    (stored,) = (tmp_path / "cache").iterdir()
    whole = stored.read_bytes()
    flipped = bytes([whole[0] ^ 1]) + whole[1:]  # another character, which only the checksum notices
    nested = b"[" * 100_000 + (100_000).to_bytes(8, "little")
    for damaged in (
        b"",
        whole[:5],
        whole[:-1],
        whole[1:],
        whole[:-8] + b"\xff" * 8,
        b"\0" * len(whole),
        flipped,
        nested,
    ):
        stored.write_bytes(damaged)
        assert text_of(load_corpus([file], cache=tmp_path / "cache")) == LARGE_TEXT
        assert stored.read_bytes() == whole


@pytest.mark.parametrize("who", ["a link", "another user", "a group", "a pipe"])
def test_an_encoding_that_may_be_somebody_elses_is_not_believed(
    tmp_path: Path, large: None, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    file, cache = write(tmp_path / "a.txt", LARGE_TEXT), tmp_path / "cache"
    load_corpus([file], cache=cache)
    (stored,) = cache.iterdir()
    elsewhere = tmp_path / "elsewhere"
    os.rename(stored, elsewhere)
    match who:
        case "a link":
            stored.symlink_to(elsewhere)
        case "another user":
            os.rename(elsewhere, stored)
            monkeypatch.setattr(os, "geteuid", lambda: 12345)
        case "a group":
            os.rename(elsewhere, stored)
            stored.chmod(0o660)
        case "a pipe":
            os.mkfifo(stored)
    monkeypatch.setattr("engine.text.encoding.code_points", counted := Counted(code_points))
    assert text_of(load_corpus([file], cache=cache)) == LARGE_TEXT
    assert counted.calls  # it was read again
    if who != "another user":  # then the directory is not ours either, and nothing is written there
        assert stored.is_file()
        assert not stored.is_symlink()
        assert stored.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_the_cache_is_the_owners_alone_whatever_the_umask(tmp_path: Path, large: None, umask: int) -> None:
    file = write(tmp_path / "a.txt", LARGE_TEXT)
    before = os.umask(umask)
    try:
        load_corpus([file], cache=tmp_path / "new" / "cache")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new").rglob("*")}
    assert modes.pop("cache") == 0o700
    assert [*modes.values()] == [0o600]
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_text_for_which_the_disk_has_no_room_is_refused_at_once(tmp_path: Path, large: None) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 42)
    with pytest.raises(UserError, match=r"has no room for the encoded text, 4,398,046,511,104 bytes"):
        load_corpus([str(tmp_path / "sparse")], cache=tmp_path / "cache")


@pytest.mark.parametrize("where", ["home", "no home"])
def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, large: None, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    write(tmp_path / "file", "in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file") if where == "home" else "")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert text_of(load_corpus([write(tmp_path / "a.txt", LARGE_TEXT)])) == LARGE_TEXT
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "file"]


def test_large_standard_input_leaves_nothing_behind(
    tmp_path: Path, large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SPOOL", 10)
    loaded = load_corpus(["-"], stdin=io.BytesIO(LARGE_TEXT.encode()), cache=tmp_path / "cache")
    assert isinstance(loaded.codes, np.memmap)
    assert text_of(loaded) == LARGE_TEXT
    assert os.listdir(tmp_path) == []


def test_the_default_cache_is_the_users(tmp_path: Path, large: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    load_corpus([write(tmp_path / "a.txt", LARGE_TEXT)])
    (stored,) = (tmp_path / "charrnn-tui").iterdir()
    assert stored.stat().st_mode & 0o077 == 0


def test_an_interrupted_encoding_leaves_nothing_behind(tmp_path: Path, large: None) -> None:
    def interrupt(share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_corpus([write(tmp_path / "a.txt", LARGE_TEXT)], cache=tmp_path / "cache", progress=interrupt)
    assert os.listdir(tmp_path / "cache") == []


def test_a_full_disk_gets_one_sentence_and_leaves_nothing_behind(
    tmp_path: Path, large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match=r"cannot hold the encoded text \(No space left on device\)"):
        load_corpus([write(tmp_path / "a.txt", LARGE_TEXT)], cache=tmp_path / "cache")
    assert os.listdir(tmp_path / "cache") == []


def test_what_a_killed_process_left_is_removed_a_day_later(tmp_path: Path, large: None) -> None:
    old, new = Path(write(tmp_path / "cache" / "old.part", "x")), Path(write(tmp_path / "cache" / "new.part", "x"))
    os.utime(old, (0, 0))
    load_corpus([write(tmp_path / "a.txt", LARGE_TEXT)], cache=tmp_path / "cache")
    assert (old.exists(), new.exists()) == (False, True)


def test_a_refused_text_creates_no_cache(tmp_path: Path, large: None) -> None:
    with pytest.raises(UserError, match="is not utf-8 text"):
        load_corpus([write(tmp_path / "a.png", PNG)], cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_memory_does_not_grow_with_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "LARGE", 1 << 20)
    peaks = []
    for copies in (50_000, 400_000):
        file = write(tmp_path / str(copies), b"The quick brown fox jumps over the lazy dog.\n" * copies)
        tracemalloc.start()
        try:
            loaded = load_corpus([file], cache=tmp_path / "cache")
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert isinstance(loaded.codes, np.memmap)
    assert peaks[1] < 1.1 * peaks[0]
