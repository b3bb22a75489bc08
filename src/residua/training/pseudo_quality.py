"""How good pseudo-labels are, where the true classes are known to those who watch.

The true classes are here and nowhere else in training: methods never see them, and nothing that is
computed from them comes back.

Legend: n samples whose labels were hidden, u unlabelled samples of a batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from residua.errors import DataError
from residua.methods.method import PseudoLabels, Total


class PseudoLabelMeter:
    """Running sums, on the device: nothing waits for them until somebody reads.

    Args:
        ids: int64 ``[n]`` sample ids, ascending.
        labels: int64 ``[n]`` their classes, -1 where not known.
        device: Where the sums are.

    Attributes:
        sums: float64 ``[4]``: pseudo-labels, their weights, the weights of those whose class is
            known, and of those that are right. All that resuming needs.

    Raises:
        DataError: Ids that are not ascending, or other than one label for each.
    """

    def __init__(self, ids: Tensor, labels: Tensor, device: torch.device) -> None:
        if ids.ndim != 1 or ids.shape != labels.shape or bool((ids[1:] <= ids[:-1]).any()):
            raise DataError(
                "hidden labels need ascending ids and one label for each",
                received=f"ids {list(ids.shape)}, labels {list(labels.shape)}",
            )
        # ids are not negative: this one is nobody's, so that there is always one to look at
        self._ids = torch.cat([ids.new_full((1,), -1), ids]).to(device)
        self._labels = torch.cat([labels.new_full((1,), -1), labels]).to(device)
        self.sums = torch.zeros(4, dtype=torch.float64, device=device)

    def add(self, pseudo: PseudoLabels) -> None:
        """Counts one batch's ``[u]``; of samples that are not among ``ids`` no class is known."""
        places = torch.searchsorted(self._ids, pseudo.ids).clamp(max=len(self._ids) - 1)
        truth = self._labels[places]
        known = (self._ids[places] == pseudo.ids) & (truth >= 0)
        weights = pseudo.weights.double()
        terms = [torch.ones_like(weights), weights]
        terms += [weights * known, weights * (known & (truth == pseudo.labels))]
        self.sums += torch.stack(terms).sum(dim=1)

    def reset(self) -> None:
        self.sums = torch.zeros_like(self.sums)

    def measures(self, total: Total) -> dict[str, float]:
        """What came since this was asked last; here the host waits for the device.

        Args:
            total: Sums over ranks, all of which must ask together.

        Returns:
            ``pseudo_used``: mean weight. ``pseudo_right``: the share of the weight that lies on
            right pseudo-labels, among samples whose class is known. Without samples, or without
            weight, what is not defined is left out.
        """
        count, used, known, right = (float(value) for value in total(self.sums.clone()).cpu())
        self.reset()
        found = {"pseudo_used": used / count} if count else {}
        return found | ({"pseudo_right": right / known} if known else {})
