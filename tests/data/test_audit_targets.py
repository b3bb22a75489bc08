"""Faults in quantities, several labels, tokens, groups and rates."""

import dataclasses

import numpy as np
import pytest
from tests.data.audit_series import SOUND, clip, encoded, findings, make, several, signal_schema

from residua.batch import Task
from residua.data.audit import audit
from residua.data.audit_targets import target_codes
from residua.data.dataset import Problem


def test_quantities_have_a_mean_a_deviation_and_a_range():
    values = np.array([[1, 5], [2, 5], [4, 5], [9, 5], [7, np.nan]], dtype=np.float32)
    schema = dataclasses.replace(signal_schema(), task=Task.REGRESSION, classes=("flow", "speed"))
    found = audit(make(schema, several(4), several(1, 50), values=values), threads=1)
    assert found.classes == ()
    flow, speed = found.quantities
    assert flow.name == "flow"
    train, test = flow.spreads
    exact = np.array([1, 2, 4, 9])
    assert (train.n, train.mean, train.least, train.largest) == (4, 4.0, 1.0, 9.0)
    assert train.sd == pytest.approx(exact.std())
    assert (test.n, test.mean, test.sd) == (1, 7.0, 0.0)
    assert (speed.spreads[1].n, speed.spreads[1].mean) == (0, None)
    codes = {each.code: each for each in found.findings}
    assert codes["constant-target"].message == "'speed' is 5 in every training sample"
    assert codes["unlabelled"].keys == (("test/0",),)
    assert not found.ok


def test_labels_are_counted_one_by_one():
    values = np.array([[1, 0], [1, 0], [0, 0], [1, 1]], dtype=np.float32)
    schema = dataclasses.replace(signal_schema(), task=Task.MULTILABEL)
    found = audit(make(schema, several(3), several(1, 50), values=values), threads=1)
    assert [each.counts for each in found.classes] == [(2, 1), (0, 1)]
    codes = {each.code: each for each in found.findings}
    assert codes["missing-class"].severity == "error"
    assert codes["missing-class"].message == "1 of 2 labels have no train samples: b"
    assert "unlabelled" not in codes


def test_tokens_are_counted_and_transcripts_measured():
    schema = dataclasses.replace(signal_schema(), task=Task.CTC)
    tokens = [(0, 1, 1), (0,), (1, 1), (0, 0)]
    found = audit(make(schema, several(3), several(1, 50), tokens=tokens), threads=1)
    assert [each.counts for each in found.classes] == [(2, 2), (4, 0)]
    assert found.series is not None
    assert found.series.transcripts == (1, 2, 3)


@pytest.mark.parametrize(
    ("task", "severity"), [(Task.MULTILABEL, "error"), (Task.REGRESSION, "warning")]
)
def test_equal_series_with_other_targets(task: Task, severity: str):
    train = several(10)
    values = np.tile(np.eye(2, dtype=np.float32), (7, 1))
    schema = dataclasses.replace(signal_schema(), task=task)
    dataset = make(schema, [*train, train[2]], several(3, 50), values=values)  # rows 2 and 10 agree
    assert "conflicting-labels" not in findings(dataset)
    dataset = make(schema, [*train, train[3]], several(3, 50), values=values)
    found = findings(dataset)["conflicting-labels"]
    assert found.severity == severity
    assert "1 series occurs with several targets, with the same values" in found.message


def test_target_codes_are_equal_where_targets_are():
    values = np.array([[1, 2], [3, 4], [1, 2], [np.nan, 2]], dtype=np.float32)
    schema = dataclasses.replace(signal_schema(), task=Task.REGRESSION)
    codes = target_codes(make(schema, several(3), several(1), values=values))
    assert codes[0] == codes[2] != codes[1]
    assert codes[3] == -1
    tokens = [(1,), (1, 2), (1,), ()]
    codes = target_codes(make(schema, several(3), several(1), tokens=tokens))
    assert codes[0] == codes[2] != codes[1]
    assert codes[3] == -1


def test_groups_in_two_splits():
    groups = [f"p{i}" for i in range(12)] + ["p3"] + [f"q{i}" for i in range(11)]
    found = findings(make(signal_schema(), several(12), several(12, 50), groups=groups))
    assert found["torn-groups"].severity == "warning"  # 1 of 12 samples
    assert found["torn-groups"].keys == (("p3",),)
    assert "1 group of an earlier split, with 1 of 12 (8.33%) test" in found["torn-groups"].message
    groups[13] = "p3"
    found = findings(make(signal_schema(), several(12), several(12, 50), groups=groups))
    assert found["torn-groups"].severity == "error"
    apart = [f"p{i}" for i in range(24)]
    assert findings(make(signal_schema(), several(12), several(12, 50), groups=apart)) == {}


def test_rates_are_told_once():
    told = Problem(key="rate", reason="the clips differ")
    other = Problem(key="b/x.wav", reason="left out: it lies in no class folder")
    waves = [encoded(clip(i)) for i in range(20)]
    found = findings(make(SOUND, waves[:12], waves[12:], problems=(told, other)))
    assert set(found) == {"left-out"}
    assert found["left-out"].keys == (("b/x.wav",),)
