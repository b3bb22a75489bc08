"""The method that learns a data set's task."""

from __future__ import annotations

from torch import Tensor

from residua.batch import Schema, Task
from residua.methods.config import SupervisedConfig
from residua.methods.ctc import Ctc
from residua.methods.method import Method
from residua.methods.supervised import Classification, MultiLabel, Regression
from residua.methods.views import Views
from residua.networks.network import Network


def method_for(
    schema: Schema,
    network: Network,
    *,
    views: Views,
    config: SupervisedConfig,
    class_weights: Tensor | None = None,
) -> Method:
    """The training step of ``schema.task``.

    Args:
        schema: For regression with offsets and scales.
        network: Gives ``schema.num_outputs`` numbers.
        views: From loaded samples to what the network sees.
        config: Checked against the task.
        class_weights: float32 ``[k]``, for classification.
    """
    match schema.task:
        case Task.CLASSIFICATION:
            return Classification(
                network,
                views=views,
                loss=config.loss,
                bce_threshold=config.bce_threshold,
                label_smoothing=config.label_smoothing,
                class_weights=class_weights,
            )
        case Task.MULTILABEL:
            return MultiLabel(network, views=views)
        case Task.REGRESSION:
            return Regression(network, views=views, offsets=schema.offsets, scales=schema.scales)
        case Task.CTC:
            return Ctc(network, views=views)
