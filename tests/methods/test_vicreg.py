"""The VICReg step: invariance, variance and covariance of projections."""

import torch
from tests.methods.two_views_tools import draws, learn, network, noisy, samples

from residua.methods.config import PretrainConfig
from residua.methods.pretrain import pretrain_method_for
from residua.methods.vicreg import VicReg


def method(**options):
    net = network()
    torch.manual_seed(1)
    return VicReg(net, views=(noisy, noisy), projection=(32, 16), **options)


def test_the_mean_loss_is_the_papers():
    step, batch = method(weight=20.0).double(), samples(8)
    batch.inputs.data = batch.inputs.double()
    found = step(batch, draws(batch)).losses
    z = [
        step.projector(step.network(noisy(batch, draws(batch).view(view)).inputs))
        for view in (0, 1)
    ]
    same = ((z[0] - z[1]) ** 2).mean()
    vary = sum((1 - (e.var(0) + 1e-4).sqrt()).clamp(min=0).mean() for e in z)
    repeat = sum((torch.cov(e.T) - torch.diag(e.var(0))).square().sum() / 16 for e in z)
    torch.testing.assert_close(found.mean(), 20 * same + 20 * vary + repeat)
    assert found.std() > 0  # each sample's own invariance


def test_it_learns_and_spreads_its_embeddings():
    step = method()
    data = samples(32)
    before = step(data, draws(data, 99)).losses.mean()
    for _ in learn(step, data, 20, lr=0.01):
        pass
    assert step.measures(torch.clone)["embedding_std"] > 0.7
    assert step(data, draws(data, 99)).losses.mean() < before - 5


def test_all_that_learns_gets_a_gradient():
    step, batch = method(), samples(8)
    with torch.autocast("cpu", torch.bfloat16):
        found = step(batch, draws(batch))
    assert found.losses.dtype == torch.float32
    found.losses.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in step.parameters())


def test_config_decides_the_method():
    config = PretrainConfig(pretrain="vicreg", variance_weight=10)
    made = pretrain_method_for(network(), views=(noisy, noisy), config=config)
    assert isinstance(made, VicReg)
    assert made.weight == 10
    widths = [m.out_features for m in made.projector if hasattr(m, "out_features")]
    assert widths == [2048, 2048, 2048]
