"""Networks, options and checkpoints that do not fit the data."""

import json
from pathlib import Path

import pytest
from tests.cli.bad_series.tools import (
    BAD_LINES,
    FLAT,
    WHOLE,
    Capture,
    bad_clips,
    call,
    cases,
    clips,
    empty,
    fails,
    pair,
    texts,
    train,
    ts,
    wave,
)


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
