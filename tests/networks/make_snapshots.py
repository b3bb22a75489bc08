"""Writes snapshots/*.json from torchvision and timm: the keys, shapes and logits of their networks.

Run by hand after a new network that they have too: python tests/networks/make_snapshots.py
The tests read the files and so need neither package.
"""

import hashlib
import json
import math
from pathlib import Path

import torch

from residua.random import mix64

FOLDER = Path(__file__).parent / "snapshots"

TORCHVISION = (
    "alexnet",
    *("vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"),
    *("wide_resnet50_2", "wide_resnet101_2"),
    "googlenet",
    *("densenet121", "densenet161", "densenet169", "densenet201"),
)
TIMM = (
    *("resnext101_32x4d", "seresnext50_32x4d"),
    *("seresnet18", "seresnet34", "seresnet50", "seresnet101", "seresnet152"),
    *("resnetv2_18", "resnetv2_34", "resnetv2_50", "resnetv2_101", "resnetv2_152"),
    "inception_resnet_v2",
)
WITH_LOGITS = (
    "googlenet",
    "inception_resnet_v2",
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "seresnet50",
    "resnetv2_18",
    "resnetv2_50",
    "densenet121",
)
SIZES = {"inception_resnet_v2": 107}
"""Pictures are 64x64, but where a network needs more."""
LISTED_KEYS = 330
"""Longer state dicts are kept as a digest only, where the keys are ours."""


def fill(shapes: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    """A float64 state dict that is a function of the keys' order and shapes, well conditioned."""
    return {key: _values(i, key, shape) for i, (key, shape) in enumerate(shapes.items())}


def _values(position: int, key: str, shape: list[int]) -> torch.Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    bits = mix64(torch.arange(math.prod(shape)) + (position << 32))
    unit = ((bits >> 11).double() * 2.0**-52).view(shape)  # in [-1, 1)
    if key.endswith("running_var"):
        return 1 + 0.5 * unit
    if len(shape) > 1:
        return unit * math.sqrt(6 / math.prod(shape[1:]))
    return 0.2 * unit + (1 if key.endswith("weight") else 0)


def picture(size: int = 64) -> torch.Tensor:
    return _values(10_000, "", [3 * size * size]).view(1, 3, size, size) * 5


def digest(shapes: dict[str, list[int]]) -> str:
    text = "\n".join(f"{key} {tuple(shape)}" for key, shape in sorted(shapes.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def snapshot(name: str, network: torch.nn.Module, source: str) -> dict[str, object]:
    shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
    content: dict[str, object] = {
        "source": source,
        "parameters": sum(p.numel() for p in network.parameters()),
        "sha256": digest(shapes),
    }
    renamed = name.startswith("resnetv2")  # keys that are not ours have no digest to compare
    if len(shapes) <= LISTED_KEYS or renamed:
        content["shapes"] = shapes
    if name in WITH_LOGITS:
        network = network.to_empty(device="cpu").double().eval()
        network.load_state_dict(fill(shapes))
        with torch.no_grad():
            content["logits"] = network(picture(SIZES.get(name, 64)))[0, :8].tolist()
    return content


def main() -> None:
    import timm
    import torchvision

    FOLDER.mkdir(exist_ok=True)
    for name in (*TORCHVISION, *TIMM):
        with torch.device("meta"):
            if name in TORCHVISION:
                source = f"torchvision {torchvision.__version__}"
                network = getattr(torchvision.models, name)()
            else:
                source, network = f"timm {timm.__version__}", timm.create_model(name)
        content = snapshot(name, network, source)
        lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
        text = ",\n".join(lines).replace('], "', '],\n  "')
        (FOLDER / f"{name}.json").write_text("{\n" + text + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
