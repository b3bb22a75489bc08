"""Probes of runs through the command line, and runs that start from pre-trained networks."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from tests.conftest import make_pictures
from tests.contracts.thin import thin, unique_thin_names

from residua.batch import Modality, Schema, Split, Task
from residua.checkpoint import Checkpoint, load, save
from residua.cli.main import run_command
from residua.data.choose import evaluation_form
from residua.data.config import DataConfig
from residua.data.dataset import Dataset, Table
from residua.data.loader import Loader
from residua.data.open import open_dataset
from residua.data.signal_preprocess import SignalPreprocess
from residua.errors import LabelError, WeightsError
from residua.evaluation.embed import embed_split
from residua.evaluation.linear_probe import linear_probe
from residua.evaluation.probes import knn_probe
from residua.networks.catalog import build, get_spec
from residua.networks.weights import load_state
from residua.recipes.recipe import Recipe
from residua.run.classifier import Classifier
from residua.run.probe import bank_rows, can_probe, probe, probe_answers, probe_scores
from residua.run.start import check_start, open_start
from residua.run.terminal import Terminal

CPU = torch.device("cpu")
FAST = ["--threads", "1", "--batch-size", "16", "--epochs", "1", "--device", "cpu"]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setattr("residua.run.classifier.available_cores", lambda: 1)


@pytest.fixture(scope="module")
def run(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    arguments = ["train", pictures, "--network", "resnet20", "--run", folder, "--quiet", *FAST]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("residua.run.finish.write_run_report", lambda run, terminal: run.report)
        assert run_command(list(map(str, arguments))) == 0
    return folder


@pytest.fixture(scope="module")
def headless(run, tmp_path_factory):
    """A checkpoint as pre-training leaves it: the same features, no classifier."""
    found = load(run / "checkpoints" / "final")
    weights = {name: value for name, value in found.weights.items() if not name.startswith("fc.")}
    folder = tmp_path_factory.mktemp("headless") / "final"
    spec = replace(found.spec, num_classes=0)
    save(replace(found, spec=spec, weights=weights, temperature=None), folder)
    return folder


def evaluated(capsys, *arguments):
    """What evaluate says about a run: its scores, and its lines for people."""
    capsys.readouterr()
    assert run_command(["evaluate", *map(str, arguments), "--json"]) == 0
    out, err = capsys.readouterr()
    return json.loads(out), err


def fails(capsys, code, *arguments):
    """The one line that a command leaves."""
    capsys.readouterr()
    assert run_command(list(map(str, arguments))) == code
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


# ---- evaluate --probe ---------------------------------------------------------------------------


def data_of(run):
    return open_dataset(opened(run).recipe.data)


def opened(folder):
    terminal = Terminal(quiet=True)
    return Classifier.open(folder, device="cpu", threads=1, terminal=terminal, headless=True)


@pytest.mark.parametrize("kind", ["knn", "linear"])
def test_a_probe_needs_no_classifier(run, headless, kind, capsys):
    trained, said = evaluated(capsys, run, "--probe", kind)
    pretrained, _ = evaluated(capsys, headless, "--probe", kind)
    for scores in (trained, pretrained):
        del scores["samples_per_second"]
    assert trained == pretrained
    dataset = data_of(run)
    taught, judges, asked = (
        len(dataset.rows(split)) for split in (Split.TRAIN, Split.VALIDATION, Split.TEST)
    )
    assert (trained["split"], trained["n"], trained["temperature"]) == ("test", asked, None)
    assert trained["accuracy"] > 0.6  # patterns that features of no training tell apart too
    if kind == "knn":
        assert f"kNN (k {taught // 3}) on {taught} training features of 64" in said
    else:
        assert f", best of {judges} validation samples) on {taught} training features" in said


def test_splits_and_other_data(headless, tmp_path, capsys):
    """Other data teaches its own classes, here under other names."""
    scores, _ = evaluated(capsys, headless, "--probe", "linear", "--split", "validation")
    assert scores["split"] == "validation"
    other = make_pictures(tmp_path / "other", per_class=30)
    shutil.move(other / "rows", other / "lines")
    scores, said = evaluated(capsys, headless, other, "--probe", "knn")
    assert [row["name"] for row in scores["classes"]] == ["columns", "dots", "lines"]
    taught = len(open_dataset(DataConfig(path=str(other))).rows(Split.TRAIN))
    assert f"on {taught} training features" in said
    assert scores["accuracy"] > 0.6


def test_few_labels_make_a_small_bank(headless, tmp_path, capsys):
    """The probe sees the labels that the run could see, and all of validation and test."""
    found = load(headless)
    data = {**found.recipe["data"], "labels_per_class": 4}
    few = tmp_path / "few"
    save(replace(found, recipe={**found.recipe, "data": data}), few)
    scores, said = evaluated(capsys, few, "--probe", "knn")
    assert "kNN (k 4) on 12 training features" in said
    assert scores["n"] == len(data_of(headless).rows(Split.TEST))


def test_probes_answer_by_features_of_the_split(run):
    """The way through loader and network against one of a few lines."""
    classifier = opened(run)
    scores, found = probe(classifier, "knn")
    dataset = data_of(run)
    bank, queries = (
        classifier.embed_dataset(
            replace(dataset, assignment={Split.TEST: dataset.rows(split)}), DataConfig(), "test"
        )
        for split in (Split.TRAIN, Split.TEST)
    )
    neighbours = len(bank.rows) // 3
    expected = knn_probe(bank, queries, num_classes=3, device=CPU, neighbours=neighbours)
    np.testing.assert_array_equal(found.logits, expected.logits)
    np.testing.assert_array_equal(found.labels, dataset.table.labels[dataset.rows(Split.TEST)])
    assert scores.accuracy == float((found.logits.argmax(axis=1) == found.labels).mean())


# ---- bad input ----------------------------------------------------------------------------------


def test_what_needs_a_classifier_says_so(headless, tmp_path, pictures, capsys):
    out = tmp_path / "weights.safetensors"
    picture = next(pictures.rglob("*.png"))
    for arguments in (
        ["evaluate", headless],
        ["predict", headless, picture],
        ["events", headless, picture],
        ["export-weights", headless, "--out", out],
    ):
        line = fails(capsys, 1, *arguments)
        assert "the checkpoint has no classifier" in line
        assert f"residua train DATA --start {headless}" in line
        assert f"residua evaluate {headless} --probe knn" in line
    assert not out.exists()


def test_splits_that_a_probe_learns_from(run, capsys):
    for split in ("train", "all"):
        line = fails(capsys, 2, "evaluate", run, "--probe", "knn", "--split", split)
        assert f"expected --split validation or test, received {split}" in line
    assert "unknown split 'tets'" in fails(
        capsys, 2, "evaluate", run, "--probe", "knn", "--split", "tets"
    )


def test_no_labels(headless, pictures, tmp_path, capsys):
    """A run on pictures without classes."""
    plain = tmp_path / "plain"
    plain.mkdir()
    for number, path in enumerate(sorted(pictures.rglob("*.png"))[::3]):
        shutil.copy(path, plain / f"{number}.png")
    found = load(headless)
    data = {**found.recipe["data"], "path": str(plain)}
    unlabelled = tmp_path / "unlabelled"
    save(replace(found, recipe={**found.recipe, "data": data}), unlabelled)
    for split in ([], ["--split", "validation"]):
        line = fails(capsys, 1, "evaluate", unlabelled, "--probe", "knn", *split)
        assert "no labels to probe with: expected labelled training samples, received 0" in line
        assert line.endswith("Name data with labels: residua evaluate RUN DATA --probe knn")


@pytest.fixture(scope="module")
def signals(tmp_path_factory):
    """A pre-trained network of signals, made up."""
    torch.manual_seed(0)
    spec = replace(get_spec("resnet20"), rank=1, in_chans=1, num_classes=0)
    folder = tmp_path_factory.mktemp("signals") / "final"
    save(
        Checkpoint(
            spec=spec,
            weights=build(spec).state_dict(),
            schema=Schema(modality=Modality.SIGNAL, channels=1),
            preprocess=SignalPreprocess(channels=1),
            recipe=Recipe().to_json(),
            step=1,
        ),
        folder,
    )
    return folder


def test_other_samples_and_other_tasks(signals, pictures, tmp_path, capsys):
    generator = np.random.default_rng(0)
    quantities, labels = tmp_path / "quantities.npz", tmp_path / "labels"
    x = generator.normal(size=(24, 1, 40)).astype(np.float32)
    np.savez(quantities, X=x, y=generator.normal(size=24))
    labels.mkdir()
    lines = [",".join(("labels", *(f"t{i}" for i in range(40))))]
    lines += [",".join(("ab|b"[3 * (i % 2) :], *map(str, row[0]))) for i, row in enumerate(x)]
    (labels / "p_TRAIN.csv").write_text("\n".join(lines))
    for data, task in ((quantities, "regression"), (labels, "multilabel")):
        line = fails(capsys, 2, "evaluate", signals, data, "--probe", "knn")
        assert f"expected data for classification, received {task}" in line
    line = fails(capsys, 1, "evaluate", signals, pictures, "--probe", "knn")
    assert "other samples than the network was trained on: expected signal, received" in line


# ---- signals of unequal lengths -----------------------------------------------------------------


def test_signals_of_unequal_lengths(signals, tmp_path, capsys):
    """Slow and fast waves, which features of no training tell apart."""
    generator = np.random.default_rng(0)
    head = "@problemName waves\n@univariate true\n@equalLength false\n@classLabel true slow fast\n"
    (tmp_path / "waves").mkdir()
    for split, count in (("TRAIN", 40), ("TEST", 16)):
        lines = []
        for number in range(count):
            name, frequency = (("slow", 0.2), ("fast", 1.5))[number % 2]
            t = np.arange(generator.integers(30, 90))
            wave = np.sin(frequency * t + generator.uniform(0, 6))
            lines.append(",".join(f"{value:.4f}" for value in wave) + f":{name}")
        content = head + "@data\n" + "\n".join(lines) + "\n"
        (tmp_path / "waves" / f"waves_{split}.ts").write_text(content)
    scores, said = evaluated(capsys, signals, tmp_path / "waves", "--probe", "knn")
    assert "training features of 64" in said
    assert scores["accuracy"] > 0.7


# ---- while a network learns ---------------------------------------------------------------------


def make_dataset(n=40, *, unlabelled=0, classes=2):
    """A data set of which only the table matters."""
    labels = np.arange(n) % classes
    labels[:unlabelled] = -1
    table = Table(keys=[f"{i}.png" for i in range(n)], labels=labels, splits=[None] * n)
    schema = Schema(modality=Modality.IMAGE, channels=1, classes=("a", "b"))
    reader = SimpleNamespace(table=table, schema=schema, name="made")
    half = np.arange(n // 2)
    return Dataset(reader=reader, assignment={Split.TRAIN: half, Split.VALIDATION: half + n // 2})


def test_the_bank_is_labelled_and_chosen_by_name():
    dataset = make_dataset(unlabelled=6)
    assert bank_rows(dataset).tolist() == list(range(6, 20))
    few = bank_rows(dataset, most=5)
    assert len(few) == 5
    assert few.tolist() == sorted(few)
    assert few.tolist() != list(range(6, 11))
    assert set(few) < set(bank_rows(dataset, most=9)) < set(range(6, 20))


def test_what_can_be_probed():
    assert can_probe(make_dataset())
    assert not can_probe(make_dataset(unlabelled=20))
    assert not can_probe(make_dataset(classes=1))
    assert not can_probe(make_dataset(), Split.TEST)
    regression = make_dataset()
    regression.reader.schema = replace(regression.schema, task=Task.REGRESSION)
    assert not can_probe(regression)


def test_scores_for_the_loop_are_those_of_the_probe(run):
    classifier, dataset = opened(run), data_of(run)
    network = classifier.network.train()
    common = {"preprocess": classifier.checkpoint.preprocess, "table": dataset.table}
    common |= {"device": CPU, "dtype": torch.float32}

    def batches(split):
        form = evaluation_form(common["preprocess"])
        loader = Loader(dataset, split, form, classifier.recipe.data, batch_size=7)
        return (item.batch for item in loader.evaluation(7))

    answers = probe_answers(
        network, batches(Split.TRAIN), batches(Split.VALIDATION), num_classes=3, **common
    )
    scores = probe_scores(answers)
    assert network.training
    bank, queries = (
        embed_split(network, batches(split), **common) for split in (Split.TRAIN, Split.VALIDATION)
    )
    neighbours = len(bank.rows) // 3
    expected = knn_probe(bank, queries, num_classes=3, device=CPU, neighbours=neighbours)
    shares = torch.from_numpy(expected.logits).double().softmax(dim=1).numpy()
    assert scores.name == "knn_accuracy"
    assert scores.n == len(queries.labels)
    assert scores.score == pytest.approx((shares.argmax(axis=1) == queries.labels).mean())
    assert scores.loss == pytest.approx(log_loss(queries.labels, shares, labels=[0, 1, 2]))

    linear = linear_probe(bank, validation=None, num_classes=3, device=CPU, strengths=(0.01,))
    right = linear.logits(queries.values).argmax(axis=1) == queries.labels
    assert scores.also == {"linear_accuracy": pytest.approx(right.mean())}

    unknown = replace(answers.knn, labels=np.full_like(answers.knn.labels, -1))
    with pytest.raises(LabelError, match="no labels to score the kNN probe with"):
        probe_scores(replace(answers, knn=unknown))


# ---- runs that start from pre-trained networks --------------------------------------------------


@pytest.mark.parametrize("name", unique_thin_names())
def test_weights_without_classifier_into_any_network(name):
    torch.manual_seed(0)
    state = build(thin(name, num_classes=0)).state_dict()
    network = build(thin(name))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    loaded = load_state(network, state, where="there", adapt=True)
    heads = (network.classifier_name, *network.auxiliary_names)
    for key, value in network.state_dict().items():
        if key in state:
            assert value.equal(state[key])
        else:
            assert key.startswith(tuple(f"{head}." for head in heads))
            assert value.equal(before[key])
    assert set(loaded.fresh) <= before.keys() - state.keys()
    assert any(key.startswith(network.classifier_name) for key in loaded.fresh)
    assert not loaded.dropped


def test_fine_tuning(headless, pictures, tmp_path, monkeypatch, capsys):
    """By either name of the option; what is new is said."""
    monkeypatch.setattr("residua.run.finish.write_run_report", lambda run, terminal: run.report)
    folder = tmp_path / "run"
    arguments = ["train", pictures, "--from", headless, "--freeze", "4", "--ema", "0"]
    arguments += ["--run", folder, *FAST]
    capsys.readouterr()
    assert run_command(list(map(str, arguments))) == 0
    (line,) = [t for t in capsys.readouterr().out.splitlines() if t.startswith("start")]
    assert line.endswith("; new: fc.weight, fc.bias")
    found, before = load(folder / "checkpoints" / "final"), load(headless)
    assert found.recipe["network"]["start"] == str(headless)
    assert (found.spec.name, found.spec.num_classes) == ("resnet20", 3)
    assert found.preprocess == before.preprocess
    assert all(found.weights[key].equal(value) for key, value in before.weights.items())


def test_a_start_of_another_network_or_kind(headless, pictures, tmp_path, capsys):
    arguments = ["--from", headless, "--network", "resnet32", "--run", tmp_path / "run", *FAST]
    line = fails(capsys, 1, "train", pictures, *arguments)
    assert "weights of another network: expected resnet32, received resnet20" in line
    start = open_start(str(headless), network=None, warn=print)
    schema = Schema(modality=Modality.SIGNAL, channels=1)
    check_start(start, replace(schema, modality=Modality.IMAGE))
    with pytest.raises(WeightsError, match="samples of another kind: expected signal, received im"):
        check_start(start, schema)
    check_start(replace(start, preprocess=None), schema)  # nothing is known of other weights
