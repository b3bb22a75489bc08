"""What can be wrong with signals, sound and text: one clear line, and the rest goes on."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from residua.cli.main import run_command

FAST = ["--network", "resnet20", "--threads", "1", "--quiet", "--batch-size", "8", "--epochs", "1"]
WHOLE = ["--validation-fraction", "0"]
RATE = 8000

Capture = pytest.CaptureFixture[str]


def call(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run_command([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def fails(capsys: Capture, code: int, words: str, *arguments: object) -> None:
    """Runs a command that must say in one line what is wrong. ``words`` are separated by |."""
    found, out, err = call(capsys, *arguments)
    assert found == code, err
    assert len(err.splitlines()) == 1, err
    assert err.startswith("residua: ")
    assert out == ""
    for word in words.split("|"):
        assert word in err


def train(data: Path, run: Path, *options: object) -> list[object]:
    return ["train", data, "--run", run, *FAST, *options]


@pytest.fixture(autouse=True)
def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of training it takes as long as the rest."""
    monkeypatch.setattr("residua.run.finish.write_run_report", lambda run, terminal: run.report)


# ---- data that is made for the tests ------------------------------------------------------------


def wave(k: int, i: int, steps: int = 40) -> str:
    rng = np.random.default_rng(2 * i + k)
    values = np.sin(np.arange(steps) * (0.3 + 0.6 * k) + rng.uniform(0, 6))
    return ",".join(f"{v:.4f}" for v in values + rng.normal(0, 0.1, steps))


def cases(n: int, first: int = 0, steps: int = 40) -> list[str]:
    return [f"{wave(k, first + i, steps)}:{'ab'[k]}" for i in range(n) for k in (0, 1)]


def ts(path: Path, lines: Sequence[str], univariate: bool = True) -> Path:
    head = f"@problemName x\n@timeStamps false\n@univariate {str(univariate).lower()}\n"
    path.write_text(head + "@classLabel true a b\n@data\n" + "\n".join(lines) + "\n")
    return path


def pair(folder: Path, train: Sequence[str] = (), test: Sequence[str] = ()) -> Path:
    """A problem with sound lines, then ``train`` and ``test``; its first line of data is 6."""
    folder.mkdir()
    ts(folder / f"{folder.name}_TRAIN.ts", [*cases(8), *train])
    ts(folder / f"{folder.name}_TEST.ts", [*cases(4, 100), *test])
    return folder


def wav(path: Path, values: np.ndarray, rate: int = RATE, **options: str) -> Path:
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, values, rate, **options)
    return path


def tone(k: int, i: int, rate: int = RATE) -> np.ndarray:
    t = np.arange(int(0.3 * rate)) / rate
    noise = np.random.default_rng(2 * i + k).normal(0, 0.02, len(t))
    return 0.3 * np.sin(2 * np.pi * (400 + 900 * k) * t) + noise


def clips(folder: Path, n: int = 8) -> Path:
    for k in (0, 1):
        for i in range(n):
            wav(folder / "ab"[k] / f"{i}.wav", tone(k, i))
    return folder


def texts(path: Path, extra: str = "") -> Path:
    fruits = ("apple", "car")
    lines = [f"the {fruits[k]} number {i} is here,{'ab'[k]}" for i in range(8) for k in (0, 1)]
    path.write_text("text,label\n" + "\n".join(lines) + "\n" + extra)
    return path


@pytest.fixture(scope="module")
def signals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pair(tmp_path_factory.mktemp("data") / "waves")


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips(tmp_path_factory.mktemp("data") / "tones")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, signals, sounds, pictures) -> dict[str, Path]:
    """A complete run of each kind of data."""
    folder = tmp_path_factory.mktemp("runs")
    found: dict[str, Path] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("residua.run.finish.write_run_report", lambda run, terminal: run.report)
        for name, data in (("signals", signals), ("sounds", sounds), ("pictures", pictures)):
            found[name] = folder / name
            command = train(data, found[name], *WHOLE)
            assert run_command([str(argument) for argument in command]) == 0
    return found


# ---- files that are no data set -----------------------------------------------------------------


def empty(folder: Path) -> Path:
    (folder / "empty.ts").write_text("")
    return folder / "empty.ts"


def header_only(folder: Path) -> Path:
    return ts(folder / "nothing.ts", [])


def single(folder: Path) -> Path:
    return ts(folder / "single.ts", cases(1)[:1])


def nothing_right(folder: Path) -> Path:
    return ts(folder / "wrong.ts", ["1,x:a", "1,2,3", "inf,2:b"])


def objects(folder: Path) -> Path:
    ragged = np.empty(2, dtype=object)
    ragged[:] = [np.zeros(3), np.zeros(4)]
    np.save(folder / "X.npy", ragged, allow_pickle=True)
    np.save(folder / "y.npy", np.array([0, 1]))
    return folder


BAD_FILES = {
    "empty file": (empty, "the file is empty|@data|empty.ts"),
    "no samples": (header_only, "nothing.ts"),
    "a single sample": (single, "fewer than two classes|received a|single"),
    "no line that is right": (nothing_right, "wrong.ts"),
    "an array of objects": (objects, "Python objects is not read|X.npy|one float32 array"),
}


@pytest.mark.parametrize("verb", ["train", "check"])
@pytest.mark.parametrize("name", BAD_FILES)
def test_files_without_a_usable_sample(
    capsys: Capture, tmp_path: Path, name: str, verb: str
) -> None:
    make, words = BAD_FILES[name]
    fails(capsys, 1, words, verb, make(tmp_path))


# ---- damaged samples among good ones ------------------------------------------------------------

NAN, FLAT = ",".join("?" * 40), ",".join(["3"] * 40)
BAD_LINES = {  # line 22 is the first behind 16 good ones
    f"{NAN}:a": "without a single value|x_TRAIN.ts:22",
    f"inf,{wave(0, 50)}:a": "infinite|inf|x_TRAIN.ts:22",
    f"oops,{wave(0, 50)}:b": "no number|'oops'|x_TRAIN.ts:22",
    "1,2:3,4,5:a": "channels|2 and 3 values|x_TRAIN.ts:22",
    "1,2,3": "no label|x_TRAIN.ts:22",
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_damaged_line_is_named_and_the_rest_is_checked(
    capsys: Capture, tmp_path: Path, line: str
) -> None:
    data = pair(tmp_path / "x", [line])
    code, out, _ = call(capsys, "check", data)
    (named,) = (each for each in out.splitlines() if each.startswith("warning: "))
    for word in BAD_LINES[line].split("|"):
        assert word in named
    assert code == 0
    code, out, err = call(capsys, "check", data, "--strict")
    assert code == 1
    assert "x_TRAIN.ts:22" in out + err


def test_damaged_lines_are_named_and_the_rest_is_trained_on(
    capsys: Capture, tmp_path: Path
) -> None:
    data = pair(tmp_path / "x", [*BAD_LINES, f"{FLAT}:a"], [f"{wave(0, 70)}:c"])
    code, _, err = call(capsys, *train(data, tmp_path / "run", *WHOLE))
    assert code == 0
    for number, words in enumerate(BAD_LINES.values(), start=22):
        (line,) = (each for each in err.splitlines() if f"x_TRAIN.ts:{number}" in each)
        assert line.startswith("warning: ")
        assert words.split("|")[0] in line
    (unknown,) = (each for each in err.splitlines() if "x_TEST.ts:14" in each)
    assert "class 'c' is not among the training classes: expected one of a, b" in unknown
    assert len(err.splitlines()) == len(BAD_LINES) + 1
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["train"]["n"], summary["test"]["n"]) == (17, 8)  # the constant one is kept


def bad_clips(folder: Path) -> dict[str, str]:
    """Damaged clips beside good ones: name, and what is said of it."""
    whole = (folder / "a" / "0.wav").read_bytes()
    (folder / "a" / "cut.wav").write_bytes(whole[:1000])
    (folder / "a" / "text.wav").write_text("hello, I am text")
    (folder / "a" / "empty.wav").write_bytes(b"")
    wav(folder / "b" / "zero.wav", np.zeros(0))
    wav(folder / "b" / "nan.wav", np.full(2400, np.nan, dtype=np.float32), subtype="FLOAT")
    return {
        "a/cut.wav": "cut off (956 of 4,800 bytes",
        "a/text.wav": "a text file",
        "a/empty.wav": "an empty file",
        "b/zero.wav": "a clip of no length",
        "b/nan.wav": "NaN or infinity",
    }


def test_damaged_clips_are_named_and_the_rest_goes_on(capsys: Capture, tmp_path: Path) -> None:
    data = clips(tmp_path / "sounds")
    wav(data / "a" / "fast.wav", tone(0, 90, 16_000), 16_000)
    damaged = bad_clips(data)
    code, _, err = call(capsys, *train(data, tmp_path / "run", *WHOLE, "--test-fraction", 0))
    assert code == 0
    lines = err.splitlines()
    for name, reason in damaged.items():
        (line,) = (each for each in lines if name in each)
        assert line.startswith("warning: left out: ")
        assert reason in line
    (rates,) = (each for each in lines if "Hz" in each)
    assert rates.startswith("warning: rate: the clips differ")
    assert "1 at 16,000 Hz" in rates
    assert "all become 8,000 Hz" in rates
    assert len(lines) == len(damaged) + 1
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["train"]["n"] == 17
    code, _, err = call(capsys, *train(data, tmp_path / "strict", "--strict"))
    assert code == 1
    assert err.splitlines()[-1].startswith("residua: ")


def test_check_names_every_damaged_clip(capsys: Capture, tmp_path: Path) -> None:
    data = clips(tmp_path / "sounds")
    wav(data / "a" / "fast.wav", tone(0, 90, 16_000), 16_000)
    wav(data / "a" / "silent.wav", np.zeros(2400))
    wav(data / "b" / "loud.wav", np.clip(50 * tone(0, 91), -1, 1))
    damaged = bad_clips(data)
    code, out, _ = call(capsys, "check", data, "--json")
    assert code == 0
    found = json.loads(out)
    by_code: dict[str, list[dict]] = {}
    for finding in found["findings"]:
        by_code.setdefault(finding["code"], []).append(finding)
    unreadable = {each["keys"][0][0]: each["message"] for each in by_code["unreadable"]}
    assert set(unreadable) == set(damaged)
    assert all(reason in unreadable[name] for name, reason in damaged.items())
    assert by_code["silent"][0]["keys"] == [["a/silent.wav"]]
    assert by_code["clipped"][0]["keys"] == [["b/loud.wav"]]
    assert "18 at 8,000 Hz, 1 at 16,000 Hz" in by_code["mixed-rates"][0]["message"]
    assert found["series"]["rates"] == {"8000": 18, "16000": 1}
    assert "left-out" not in by_code


def test_an_empty_text_is_named(capsys: Capture, tmp_path: Path) -> None:
    data = texts(tmp_path / "texts.csv", '"",a\n')
    code, _, err = call(capsys, *train(data, tmp_path / "run", *WHOLE, "--test-fraction", 0))
    assert code == 0
    (line,) = err.splitlines()
    assert "texts.csv:18" in line
    code, out, _ = call(capsys, "check", data)
    assert code == 0
    assert sum("texts.csv:18" in each for each in out.splitlines()) >= 1


# ---- networks that need longer series -----------------------------------------------------------


def test_series_that_are_too_short_say_what_would_do(capsys: Capture, tmp_path: Path) -> None:
    lines = [f"{i},{i * i % 7},{3 * (i % 2)}:{'ab'[i % 2]}" for i in range(16)]
    data = ts(tmp_path / "short.ts", lines)
    words = "too short for network 'nin_cifar'|expected at least 4 steps, received 3|in short"
    fails(capsys, 2, words, *train(data, tmp_path / "run", "--network", "nin_cifar"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("cache", ["auto", "never"])
def test_single_short_series_are_left_out(capsys: Capture, tmp_path: Path, cache: str) -> None:
    data = pair(tmp_path / "x", ["1,2,3:a"], ["3,2,1:b"])
    run, options = tmp_path / "run", ["--network", "nin_cifar", "--cache", cache, "--workers", 0]
    code, _, err = call(capsys, *train(data, run, *WHOLE, *options))
    assert code == 0
    words = "warning: left out: too short for the network: expected at least 4 steps, received 3"
    assert err.splitlines() == [f"{words}, in x_TRAIN.ts:22", f"{words}, in x_TEST.ts:14"]
    code, out, _ = call(capsys, "predict", run, data / "x_TEST.ts", "--json")
    assert code == 1
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["error"] is None for answer in answers] == [True] * 8 + [False]
    assert "at least 4 steps, received 3" in answers[-1]["error"]


def test_too_few_mel_bands(capsys: Capture, sounds: Path, tmp_path: Path) -> None:
    options = ["--network", "nin_cifar", "--mels", 3]
    words = "too few mel bands|expected at least 4, received 3|--mels 4"
    fails(capsys, 2, words, *train(sounds, tmp_path / "run", *options))


# ---- options, networks and checkpoints of other data --------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("pictures", "--mels 40", "--mels means nothing|image data|40"),
        ("pictures", "--rate 40", "--rate means nothing|image data"),
        ("pictures", "--noise 0.1", "--noise means nothing|image data"),
        ("signals", "--size 32 32", "--size means nothing|signal data|(32, 32)"),
        ("signals", "--mels 40", "--mels means nothing|signal data"),
        ("signals", "--erasing 0.5", "--erasing means nothing|signal data"),
        ("signals", "--rate 4", "unknown rate|Leave out --rate"),
        ("sounds", "--missing zero", "--missing means nothing|sound data"),
        ("sounds", "--mels 300", "mel bands would be empty|Set --mels"),
        ("sounds", "--frequencies 100 9000", "at most half the rate"),
        ("sounds", "--rate -1", "wrong rate|above 0"),
        ("sounds", "--hop-ms 50", "wrong hop_ms|at most window_ms"),
        ("texts", "--mels 40", "--mels means nothing|text data"),
        ("texts", "--rate 4", "--rate means nothing|text data"),
        ("texts", "--standardise train", "--standardise means nothing|text data"),
        ("texts", "--missing zero", "--missing means nothing|text data"),
        ("texts", "--length 0", "wrong length|>= 1"),
        ("pictures", "--network multiscale_resnet1d", "cannot have this rank|for signals"),
        ("pictures", "--network resnet1d_wang", "cannot have this rank|for signals"),
    ],
)
def test_options_and_networks_of_other_data(
    capsys: Capture,
    pictures: Path,
    signals: Path,
    sounds: Path,
    tmp_path: Path,
    kind: str,
    options: str,
    words: str,
) -> None:
    places = {"pictures": pictures, "signals": signals, "sounds": sounds}
    data = texts(tmp_path / "texts.csv") if kind == "texts" else places[kind]
    fails(capsys, 2, words, *train(data, tmp_path / "run", *options.split()))
    assert not (tmp_path / "run").exists()


def test_transcripts_need_a_network_that_answers_step_by_step(
    capsys: Capture, tmp_path: Path
) -> None:
    data = clips(tmp_path / "sounds")
    rows = [f"{'ab'[k]}/{i}.wav,{k + 1} {i % 3}" for i in range(8) for k in (0, 1)]
    (data / "table.csv").write_text("path,tokens\n" + "\n".join(rows) + "\n")
    words = "'resnet20' cannot learn transcriptions|step by step|--network crnn_small"
    fails(capsys, 2, words, *train(data, tmp_path / "run"))


@pytest.mark.parametrize(
    ("run", "given", "words"),
    [
        ("pictures", "clip", "cannot decode the picture|clip.wav"),
        ("pictures", "series", "cannot decode the picture|waves_TEST.ts"),
        ("sounds", "picture", "cannot decode the sound|0.png"),
        ("sounds", "series", "cannot decode the sound|waves_TEST.ts"),
        ("signals", "clip", "not a file of series|received sounds|clip.wav"),
        ("signals", "picture", "not a file of series|received pictures|0.png"),
    ],
)
def test_predict_of_another_kind_of_file(
    capsys: Capture, runs, pictures: Path, signals: Path, sounds: Path, tmp_path: Path,
    run: str, given: str, words: str,
) -> None:  # fmt: skip
    (tmp_path / "clip.wav").write_bytes((sounds / "a" / "0.wav").read_bytes())
    file = {
        "clip": tmp_path / "clip.wav",
        "series": signals / "waves_TEST.ts",
        "picture": pictures / "rows" / "0.png",
    }[given]
    code, out, err = call(capsys, "predict", runs[run], file, "--json")
    (answer,) = (json.loads(line) for line in out.splitlines())
    assert code == 1
    assert err == "residua: 1 of the inputs could not be read\n"
    for word in words.split("|"):
        assert word in answer["error"]


@pytest.mark.parametrize(
    ("run", "given", "words"),
    [
        ("pictures", "signals", "expected image, received signal|waves"),
        ("signals", "sounds", "expected signal, received sound|tones"),
        ("sounds", "pictures", "expected sound, received image|patterns"),
        ("signals", "two", "expected signal of 1 channel, received signal of 2 channels"),
    ],
)
def test_evaluate_on_another_kind_of_data(
    capsys: Capture, runs, pictures: Path, signals: Path, sounds: Path, tmp_path: Path,
    run: str, given: str, words: str,
) -> None:  # fmt: skip
    lines = [f"{line.partition(':')[0]}:{line}" for line in cases(4)]
    two = ts(tmp_path / "two.ts", lines, univariate=False)
    data = {"pictures": pictures, "signals": signals, "sounds": sounds, "two": two}[given]
    words = f"other samples than the network was trained on|{words}"
    fails(capsys, 1, words, "evaluate", runs[run], data)


def test_predict_answers_the_good_and_names_the_bad(capsys: Capture, runs, tmp_path: Path) -> None:
    lines = [*cases(1), *BAD_LINES, f"{FLAT}:a", f"{wave(0, 3)}:{wave(0, 4)}:a"]
    file, gone = ts(tmp_path / "new.ts", lines), tmp_path / "gone.ts"
    code, out, err = call(capsys, "predict", runs["signals"], file, empty(tmp_path), gone, "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    good = [answer for answer in answers if answer["error"] is None]
    assert {answer["label"] for answer in good} <= {"a", "b"}
    assert [answer["path"].rpartition(":")[2] for answer in good] == ["6", "7", "13"]
    bad = {answer["path"]: answer["error"] for answer in answers if answer["error"]}
    for number in (8, 9, 10, 11, 12, 14):
        assert f"{file}:{number}" in bad
    assert "the file is empty" in bad[str(tmp_path / "empty.ts")]
    assert str(gone) in bad
    assert len(answers) == len(lines) + 2
    assert err == f"residua: {len(bad)} of the inputs could not be read\n"


def test_predict_names_the_damaged_clips(capsys: Capture, runs, tmp_path: Path) -> None:
    data = clips(tmp_path / "sounds", n=1)
    damaged = bad_clips(data)
    code, out, err = call(capsys, "predict", runs["sounds"], data, "--json")
    answers = {
        str(Path(answer["path"]).relative_to(data)): answer
        for answer in map(json.loads, out.splitlines())
    }
    assert code == 1
    assert err == f"residua: {len(damaged)} of the inputs could not be read\n"
    assert {name for name, answer in answers.items() if answer["error"]} == set(damaged)
    assert all(reason in answers[name]["error"] for name, reason in damaged.items())
    assert answers["a/0.wav"]["label"] in ("a", "b")
