"""How good pseudo-labels are, and that nobody learns from that."""

from copy import deepcopy

import pytest
import torch
from tests.methods.semi_cases import batch, draws, method
from torch import Tensor

from residua.errors import DataError
from residua.methods.method import PseudoLabels
from residua.training.pseudo_quality import PseudoLabelMeter

CPU = torch.device("cpu")
IDS, LABELS = torch.tensor([3, 10, 20, 2**62]), torch.tensor([0, 1, -1, 2])


def pseudo(ids: list[int], labels: list[int], weights: list[float]) -> PseudoLabels:
    return PseudoLabels(
        ids=torch.tensor(ids), labels=torch.tensor(labels), weights=torch.tensor(weights)
    )


def same(values: Tensor) -> Tensor:
    return values


def test_shares_are_weighted_means_over_what_is_known() -> None:
    meter = PseudoLabelMeter(IDS, LABELS, CPU)
    # right, wrong, not known by label, by id below, between and above
    meter.add(pseudo([3, 10, 20, 1, 11, 2**62 + 1], [0, 0, 2, 0, 1, 2], [0.5, 0.25, 1, 1, 0, 1]))
    meter.add(pseudo([2**62, 10], [2, 1], [1.0, 0.0]))
    found = meter.measures(same)
    assert found == pytest.approx(
        {"pseudo_used": 4.75 / 8, "pseudo_right": (0.5 + 1) / (0.5 + 0.25 + 1)}
    )


def test_asking_begins_anew() -> None:
    meter = PseudoLabelMeter(IDS, LABELS, CPU)
    meter.add(pseudo([3], [0], [1.0]))
    assert meter.measures(same) == {"pseudo_used": 1.0, "pseudo_right": 1.0}
    assert meter.measures(same) == {}
    meter.add(pseudo([3, 20], [1, 1], [0.0, 0.0]))
    assert meter.measures(same) == {"pseudo_used": 0.0}


def test_sums_go_on_from_what_was_saved() -> None:
    one, two = (PseudoLabelMeter(IDS, LABELS, CPU) for _ in range(2))
    first, second = pseudo([3, 10], [0, 0], [1.0, 0.5]), pseudo([10], [1], [0.5])
    one.add(first)
    two.sums.copy_(one.sums)
    for meter in (one, two):
        meter.add(second)
    assert one.measures(same) == two.measures(same)


def test_without_hidden_labels_only_the_use_is_known() -> None:
    meter = PseudoLabelMeter(IDS[:0], LABELS[:0], CPU)
    meter.add(pseudo([3], [0], [0.5]))
    assert meter.measures(same) == {"pseudo_used": 0.5}


def test_ranks_are_added_up() -> None:
    meter = PseudoLabelMeter(IDS, LABELS, CPU)
    meter.add(pseudo([3], [0], [1.0]))
    other = torch.tensor([1, 0.5, 0.5, 0.0]).double()
    assert meter.measures(lambda sums: sums + other) == pytest.approx(
        {"pseudo_used": 0.75, "pseudo_right": 1 / 1.5}
    )


@pytest.mark.parametrize(("ids", "labels"), [(IDS.flip(0), LABELS), (IDS, LABELS[:2])])
def test_wrong_ids_are_one_line(ids: Tensor, labels: Tensor) -> None:
    with pytest.raises(DataError, match="ascending ids") as error:
        PseudoLabelMeter(ids, labels, CPU)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["fixmatch", "adamatch", "softmatch", "mean-teacher"])
def test_permuted_truth_changes_measures_and_no_weight(name: str) -> None:
    ids = batch().unlabelled.ids
    truth = (torch.arange(len(ids)) >= 8) * 2

    def learn(truth: Tensor) -> tuple[dict[str, Tensor], dict[str, float]]:
        step, meter = method(name, threshold=0.5), PseudoLabelMeter(ids, truth, CPU)
        learning = [p for p in step.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(learning, lr=0.1)
        for number in range(4):
            samples = batch(step=number)
            found = step(samples, draws(samples))
            found.total.backward()
            meter.add(found.pseudo)
            optimizer.step()
            optimizer.zero_grad()
            step.after_update(done=(number + 1) / 4)
        return deepcopy(step.state_dict()), meter.measures(same)

    weights, measures = learn(truth)
    others, other_measures = learn(2 - truth)
    assert all(weights[key].equal(others[key]) for key in weights)
    assert measures["pseudo_used"] == other_measures["pseudo_used"] > 0
    assert measures["pseudo_right"] != other_measures["pseudo_right"]
