"""Both ways to apply an operation to some samples give the same pictures."""

import torch

from residua.augment.where import apply_to_all, apply_to_chosen


def test_both_ways_agree() -> None:
    images = torch.rand(6, 2, 3, 4)
    amounts = torch.arange(6.0)

    def add(images: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
        return images + amounts[:, None, None, None]

    for chosen in ([True, False, True, True, False, False], [False] * 6, [True] * 6):
        mask = torch.tensor(chosen)
        expected = torch.stack([images[i] + i * chosen[i] for i in range(6)])
        assert torch.equal(apply_to_all(mask, images, add, amounts), expected)
        assert torch.equal(apply_to_chosen(mask, images.clone(), add, amounts), expected)
