"""BYOL's regression against the paper's formula, written as loops in float64."""

import pytest
import torch

from residua.errors import UsageError
from residua.losses.bootstrap import regression_to_teacher


def pair(dtype=torch.float64, d=7):
    generator = torch.Generator().manual_seed(0)
    made = [torch.randn(4, d, generator=generator, dtype=torch.float64) for _ in range(2)]
    return [(5 * each).to(dtype).requires_grad_() for each in made]


def by_the_paper(predicted, taught):
    """Equation 2: the squared distance of the normalised vectors, summed over dimensions."""
    losses = []
    for p, z in zip(predicted, taught, strict=True):
        p_norm, z_norm = sum(x * x for x in p).sqrt(), sum(x * x for x in z).sqrt()
        losses.append(sum((x / p_norm - y / z_norm) ** 2 for x, y in zip(p, z, strict=True)))
    return torch.stack(losses)


def relative(found, expected):
    return float((found.double() - expected).abs().max() / expected.abs().max())


def test_values_and_gradients_are_the_papers():
    found, expected = pair(torch.float32), pair()
    ours, theirs = regression_to_teacher(*found), by_the_paper(*expected)
    weights = torch.arange(1.0, 5.0)
    assert relative(ours.detach(), theirs.detach()) < 1e-5
    (ours * weights).sum().backward()
    (theirs * weights).sum().backward()
    for one, other in zip(found, expected, strict=True):
        assert relative(one.grad, other.grad) < 1e-5


def test_lightly_agrees():
    lightly = pytest.importorskip("lightly.loss")
    found, expected = pair(), pair()
    ours = regression_to_teacher(*found).mean()
    theirs = 2 + 2 * lightly.NegativeCosineSimilarity()(*expected)
    torch.testing.assert_close(ours, theirs)
    ours.backward()
    theirs.backward()
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_from_0_for_one_direction_to_4_for_opposite_ones():
    one = torch.tensor([[3.0, 4.0]])
    assert float(regression_to_teacher(one, 2 * one)) == pytest.approx(0, abs=1e-6)
    assert float(regression_to_teacher(one, -one)) == pytest.approx(4, abs=1e-6)
    assert float(regression_to_teacher(one, torch.tensor([[-4.0, 3.0]]))) == pytest.approx(2)


def test_half_precision_is_computed_in_float32():
    one, other = (each.detach().bfloat16() for each in pair())
    with torch.autocast("cpu", torch.bfloat16):
        found = regression_to_teacher(one, other)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, regression_to_teacher(one.float(), other.float()))


@pytest.mark.parametrize("shapes", [((3, 4), (4, 3)), ((3,), (3,))])
def test_bad_input_is_one_line(shapes):
    with pytest.raises(UsageError, match="predictions do not fit") as caught:
        regression_to_teacher(*(torch.ones(shape) for shape in shapes))
    assert "\n" not in str(caught.value)
