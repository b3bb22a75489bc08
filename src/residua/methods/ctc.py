"""Sequences of tokens without their places in time: views, logits of each step, CTC loss."""

from __future__ import annotations

from typing import ClassVar

import torch

from residua.batch import Batch
from residua.errors import UsageError
from residua.losses.ctc import ctc_loss, token_accuracy
from residua.methods.method import Method, StepOutput
from residua.methods.views import Views
from residua.networks.network import Network
from residua.networks.sequences import Sequences
from residua.random import Draws


class Ctc(Method):
    """CTC loss between the network's answers to augmented samples and their tokens.

    A sample whose view is too short to say its tokens (augmentation can cut it) has loss 0 and
    teaches nothing that time; whole samples that are too short are found before training, by
    `residua.losses.ctc.check_expressible`. What counts as correct is the share of tokens of the
    most likely path that are right: 1 - edit distance / tokens, not below 0.

    Args:
        network: Answers with `Sequences`: logits ``[b, k + 1, t]``, blank first.
        views: From loaded samples to what the network sees; leaves the targets as they are.
    """

    score_name: ClassVar[str] = "token_accuracy"

    def __init__(self, network: Network, *, views: Views) -> None:
        super().__init__()
        self.network = network
        self.views = views

    def training_step(self, batch: Batch, draws: Draws) -> StepOutput:
        exact = torch.autocast(batch.inputs.device.type, enabled=False)  # inputs stay in float32
        with torch.no_grad(), exact:
            views = self.views(batch, draws)
        answer = self.network(views.inputs, lengths=views.lengths)
        if not isinstance(answer, Sequences) or views.target_lengths is None:
            raise UsageError(
                "CTC needs answers of each step, and targets with their lengths",
                received=f"{type(answer).__name__} of network '{self.network.spec.name}'",
                fix="Take a crnn with its head set to ctc, and a data set with sequences of tokens",
            )
        tokens = views.targets, views.target_lengths
        losses = ctc_loss(*answer, *tokens, skip_impossible=True)
        with torch.no_grad():
            correct = token_accuracy(*answer, *tokens)
        return StepOutput(losses=losses, correct=correct)
