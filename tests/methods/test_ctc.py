"""The CTC step: views, logits of each step, one loss a sample."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from residua.batch import Batch
from residua.errors import UsageError
from residua.evaluation.decoding import decode_beam, decode_greedy
from residua.methods.ctc import Ctc
from residua.networks.catalog import build, get_spec
from residua.random import Draws


def doubled(batch, draws):
    return replace(batch, inputs=batch.inputs * 2)


def method(views=doubled, **changes):
    torch.manual_seed(0)
    sizes = {"widths": (8, 8, 8), "blocks": 1, "inner": 4, "branch_width": 8, "hidden": 16}
    spec = replace(
        get_spec("crnn_small"), head="ctc", num_classes=4, bands=16, dropout=0.0, **sizes
    )
    return Ctc(build(replace(spec, **changes)), views=views)


def batch():
    """Tokens that sound: token i is a tone in bands 5 i to 5 i + 4, four frames long, silence
    between them."""
    targets = torch.tensor([[0, 1, 2], [2, 2, -1], [1, -1, -1], [0, 2, 0]])
    target_lengths = torch.tensor([3, 2, 1, 3])
    inputs = torch.randn(4, 1, 16, 24, generator=torch.Generator().manual_seed(1)) * 0.1
    for row, tokens in zip(inputs, targets, strict=True):
        for place, token in enumerate(tokens.tolist()):
            if token >= 0:
                row[:, 5 * token : 5 * token + 5, 7 * place + 1 : 7 * place + 5] += 1
    return Batch(
        inputs=inputs,
        targets=targets,
        ids=torch.arange(4),
        lengths=torch.tensor([24, 16, 9, 24]),
        target_lengths=target_lengths,
    )


def draws():
    return Draws(seed=0, epoch=0, ids=torch.arange(4))


def test_losses_are_those_of_the_views():
    step, samples = method().eval(), batch()
    found = step(samples, draws())
    logits, lengths = step.network(samples.inputs * 2, lengths=samples.lengths)
    assert lengths.tolist() == [12, 8, 5, 12]
    expected = [
        F.ctc_loss(
            logits[i, :, :t].T.log_softmax(1)[:, None],
            samples.targets[i : i + 1, :s] + 1,
            torch.tensor([t]),
            torch.tensor([s]),
            reduction="sum",
        )
        for i, (t, s) in enumerate(zip(lengths, samples.target_lengths, strict=True))
    ]
    torch.testing.assert_close(found.losses, torch.stack(expected), rtol=1e-5, atol=1e-5)
    assert found.losses.requires_grad
    assert not found.correct.requires_grad


def test_it_learns_to_transcribe():
    step, samples = method(), batch()
    optimizer = torch.optim.Adam(step.parameters(), 0.01)
    for _ in range(60):
        optimizer.zero_grad()
        found = step(samples, draws())
        found.losses.mean().backward()
        optimizer.step()
    assert found.correct.tolist() == [1, 1, 1, 1]
    answer = step.network.eval()(samples.inputs * 2, lengths=samples.lengths)
    meant = [(0, 1, 2), (2, 2), (1,), (0, 2, 0)]
    assert decode_greedy(*answer) == meant
    assert decode_beam(*answer) == meant


def test_views_too_short_for_their_tokens_teach_nothing():
    def cut(batch, draws):
        return replace(batch, lengths=torch.tensor([4, 16, 9, 24]))  # 2 steps for 3 tokens

    step = method(cut)
    found = step(batch(), draws())
    assert found.losses[0] == 0
    assert (found.losses[1:] > 0).all()
    found.losses.sum().backward()
    assert all(p.grad.isfinite().all() for p in step.parameters())


@pytest.mark.parametrize("lacking", ["head", "lengths"])
def test_what_cannot_be_learnt(lacking):
    step = method(head="clip") if lacking == "head" else method()
    samples = batch() if lacking == "head" else replace(batch(), target_lengths=None)
    with pytest.raises(UsageError, match="CTC needs answers of each step"):
        step(samples, draws())
