"""Made data, views and a small network for the tests of methods that learn from two views."""

from dataclasses import replace

import torch

from residua.batch import Batch
from residua.networks.catalog import build, get_spec
from residua.random import Draws


def noisy(batch, draws):
    """Each view adds noise of its own."""
    noise = draws.normal("noise", *batch.inputs.shape[1:]).to(batch.inputs.dtype)
    return replace(batch, inputs=batch.inputs + 0.5 * noise)


def network():
    """ResNet-8, the smallest of its family."""
    torch.manual_seed(0)
    spec = replace(get_spec("resnet20"), depths=(1, 1, 1), num_classes=0, in_chans=1)
    return build(spec)


def samples(n=32, size=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        inputs=torch.randn(n, 1, size, size, generator=generator),
        targets=torch.full((n,), -1),
        ids=torch.arange(n),
        groups=torch.arange(n) % 2,
    )


def draws(batch, epoch=0):
    return Draws(seed=0, epoch=epoch, ids=batch.ids)


def part(batch, rows):
    return replace(
        batch,
        inputs=batch.inputs[rows],
        targets=batch.targets[rows],
        ids=batch.ids[rows],
        groups=batch.groups[rows],
    )


def learn(method, data, updates, *, batch_size=32, lr=0.1, seed=0):
    """Updates as the loop makes them; yields their number, from 1."""
    learning = [parameter for parameter in method.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(learning, lr, momentum=0.9)
    generator = torch.Generator().manual_seed(seed)
    for update in range(updates):
        batch = part(data, torch.randperm(len(data), generator=generator)[:batch_size])
        optimizer.zero_grad()
        method(batch, draws(batch, update)).losses.mean().backward()
        optimizer.step()
        method.after_update(done=(update + 1) / updates)
        yield update + 1
