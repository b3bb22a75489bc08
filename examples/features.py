"""Feature maps of a network's stages, and its parts by name.

python examples/features.py
"""

import torch

import residua


def main() -> None:
    pictures = torch.randn(2, 3, 96, 128)
    backbone = residua.create_model("resnext50_32x4d", features_only=True).eval()
    with torch.inference_mode():
        for info, feature_map in zip(backbone.feature_info, backbone(pictures), strict=True):
            print(info.name, tuple(feature_map.shape), f"1/{info.reduction} of the size")
    signal = residua.create_model("resnet18", num_classes=5, in_chans=12, rank=1)
    print("12-lead signal:", tuple(signal(torch.randn(2, 12, 1000)).shape))


if __name__ == "__main__":
    main()
