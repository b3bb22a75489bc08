"""A loss or gradient that is not finite: no weight changes, and the user learns where."""

import pytest
import torch
from torch import nn

from residua.errors import NonFiniteError
from residua.training import guard as guard_module
from residua.training.config import OptimizerConfig
from residua.training.guard import FiniteGuard, clip_gradients
from residua.training.optimizers import make_optimizer, optimizer_state

IDS = torch.tensor([11, 22, 33, 44])
OPTIMIZERS = ["sgd", "adamw", "lamb"]


class Run:
    """A linear network with one update after another, as the loop makes them."""

    def __init__(self, name: str = "sgd", **options) -> None:
        torch.manual_seed(0)
        self.network = nn.Linear(3, 1)
        config = OptimizerConfig(optimizer=name, lr=0.1, weight_decay=0.01)
        self.optimizer = make_optimizer(self.network, config)
        self.guard = FiniteGuard(self.optimizer, **options)
        self.step = 0

    def update(self, inputs: torch.Tensor) -> None:
        self.optimizer.zero_grad()
        losses = self.network(inputs).square()[:, 0]
        losses.mean().backward()
        self.guard.watch(losses, IDS)
        self.finish_update()

    def finish_update(self) -> None:
        norm = clip_gradients(self.network.parameters(), None)
        try:
            self.guard.check(norm, step=self.step)
        finally:
            self.step += 1
            # as on a GPU, where the host has not heard of the failure yet
            self.optimizer.step()

    def bits(self) -> list[torch.Tensor]:
        state = optimizer_state(self.optimizer)[0]
        return [value.clone() for value in (*self.network.state_dict().values(), *state.values())]


def good(seed: int = 1) -> torch.Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))


def bad() -> torch.Tensor:
    inputs = good()
    inputs[2] = float("nan")
    return inputs


def equal(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("updates_before", [0, 3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_bad_batch_changes_no_bit_and_neither_do_later_ones(name, updates_before):
    run = Run(name)
    for seed in range(updates_before):
        run.update(good(seed))
    before = run.bits()
    with pytest.raises(NonFiniteError):
        run.update(bad())
    assert equal(run.bits(), before)
    run.optimizer.zero_grad()
    run.network(good()).sum().backward()
    run.optimizer.step()
    assert equal(run.bits(), before)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_guarded_training_equals_unguarded(name):
    guarded, plain = Run(name), Run(name)
    before = guarded.bits()
    for seed in range(3):
        guarded.update(good(seed))
        plain.optimizer.zero_grad()
        plain.network(good(seed)).square().mean().backward()
        plain.optimizer.step()
    assert equal(guarded.bits(), plain.bits())
    assert not equal(guarded.bits(), before)


def test_the_message_names_update_samples_rate_and_remedy():
    names = {33: "train/cat/3.jpg"}
    run = Run(name_samples=lambda ids: [names[i] for i in ids])
    run.update(good())
    with pytest.raises(NonFiniteError) as caught:
        run.update(bad())
    line = str(caught.value)
    assert line.startswith("the loss is not finite: expected a finite loss, received nan")
    assert "at update 1 with learning rate 0.1" in line
    assert "in samples train/cat/3.jpg." in line
    assert "Lower --lr" in line


def test_a_gradient_alone_is_named_and_its_whole_batch_too():
    run = Run()
    run.guard.watch(torch.ones(2), IDS[:2])
    run.guard.watch(torch.ones(2), IDS[2:])
    run.network(good()).sum().backward()
    run.network.weight.grad[0, 1] = float("inf")
    before = run.bits()
    with pytest.raises(NonFiniteError, match=r"the gradient is not finite.*received inf") as caught:
        run.finish_update()
    assert "samples 11, 22, 33, 44" in str(caught.value)
    assert equal(run.bits(), before)


def test_many_samples_are_counted():
    run = Run()
    run.guard.watch(torch.full((12,), float("nan")), torch.arange(12))
    with pytest.raises(NonFiniteError, match="samples 0, 1, 2, 3, 4 and 7 more"):
        run.guard.check(torch.ones(()), step=0)


def test_a_loss_of_an_earlier_part_is_not_forgotten():
    run = Run()
    run.guard.watch(torch.tensor([float("inf")]), IDS[:1])
    run.guard.watch(torch.ones(3), IDS[1:])
    with pytest.raises(NonFiniteError, match=r"received inf .* samples 11"):
        run.guard.check(torch.ones(()), step=0)


def test_scaled_gradients_may_overflow_but_losses_may_not():
    run = Run(scaled=True)
    run.guard.watch(torch.ones(4), IDS)
    before = run.bits()
    run.network(good()).sum().backward()
    run.network.weight.grad[0, 0] = float("inf")
    run.finish_update()
    assert equal(run.bits(), before)
    run.update(good())
    after = run.bits()
    assert not equal(after, before)
    with pytest.raises(NonFiniteError, match="the loss is not finite"):
        run.update(bad())
    assert equal(run.bits(), after)


def test_gradients_that_overflow_at_every_scale_are_an_error():
    run = Run(scaled=True)

    def overflow(step: int) -> None:
        run.guard.watch(torch.ones(4), IDS)
        run.guard.check(torch.tensor(float("inf")), step=step)

    for step in range(40):
        overflow(step)
    with pytest.raises(NonFiniteError, match="the gradient is not finite"):
        overflow(40)


def test_works_with_torchs_grad_scaler():
    run = Run(scaled=True)
    run.optimizer.param_groups[0]["lr"] = run.optimizer.param_groups[1]["lr"] = 1e-6
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    before = run.bits()
    scales = []
    for _ in range(30):
        run.optimizer.zero_grad()
        losses = run.network(good()).square()[:, 0]
        scaler.scale(losses.mean() * 1e3).backward()
        run.guard.watch(losses, IDS)
        scaler.unscale_(run.optimizer)
        run.finish_update()
        scaler.update()
        scales.append(scaler.get_scale())
    assert scales[0] == 2.0**126
    assert scales[-1] == scales[-2] < 2.0**126
    assert not equal(run.bits(), before)
    assert all(tensor.isfinite().all() for tensor in run.bits())


def test_ranks_fail_together():
    """The other rank's flags arrive through the sum."""
    other = torch.tensor([1.0, 0.0])
    run = Run(total=lambda flags: flags + other)
    before = run.bits()
    with pytest.raises(NonFiniteError, match="received one on another rank"):
        run.update(good())
    assert equal(run.bits(), before)
    both = Run(total=lambda flags: flags * 2)
    with pytest.raises(NonFiniteError):
        both.update(bad())
    assert both.optimizer.found_inf.item() == 1.0  # the kernels compare with exactly 1


def test_the_host_may_learn_one_update_late(monkeypatch):
    """Without a GPU: verdicts that arrive later, as from a device."""

    class Event:
        synchronized = 0

        def synchronize(self) -> None:
            Event.synchronized += 1

    monkeypatch.setattr(guard_module, "_to_host", lambda flags: (flags.clone(), Event()))
    run = Run()
    run.update(good())
    before = run.bits()
    run.update(bad())
    run_late = Run()
    run_late.update(bad())
    with pytest.raises(NonFiniteError, match="at update 1 "):
        run.update(good())
    assert equal(run.bits(), before)
    with pytest.raises(NonFiniteError, match="at update 0 "):
        run_late.guard.finish()
    run_late.guard.finish()
    assert Event.synchronized == 3


def test_clipping_scales_the_whole_gradient():
    network = nn.Linear(3, 2)
    unused = nn.Parameter(torch.ones(3))
    parameters = [*network.parameters(), unused]
    network.weight.grad, network.bias.grad = torch.full((2, 3), 3.0), torch.full((2,), 4.0)
    before = torch.cat([network.weight.grad.flatten(), network.bias.grad])
    norm = clip_gradients(parameters, None)
    assert norm.item() == pytest.approx(before.norm().item())
    assert torch.equal(network.bias.grad, torch.full((2,), 4.0))
    clip_gradients(parameters, 1.0)
    after = torch.cat([network.weight.grad.flatten(), network.bias.grad])
    assert after.norm().item() == pytest.approx(1.0, rel=1e-5)
    torch.testing.assert_close(after, before / before.norm(), rtol=1e-5, atol=0)
    clip_gradients(parameters, 5.0)
    torch.testing.assert_close(torch.cat([network.weight.grad.flatten(), network.bias.grad]), after)
