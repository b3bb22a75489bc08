"""Weights that timm has of our networks. Free of torch and timm.

Written by scripts/make_timm_tags.py from timm 1.0.31; not to be edited.
"""

from __future__ import annotations

from typing import NamedTuple

Channels = tuple[float, float, float]


class TimmTag(NamedTuple):
    """What timm's registry says about weights: licence, size, share of the crop, filter, mean,
    std. The description in their repository, where it can be had, goes first."""

    licence: str
    size: int
    crop_pct: float
    interpolation: str
    mean: Channels
    std: Channels


USUAL: tuple[Channels, Channels] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: tuple[Channels, Channels] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

TIMM_TAGS: dict[str, dict[str, TimmTag]] = {
    "vgg11": {
        "tv_in1k": TimmTag("bsd-3-clause", 224, 0.875, "bilinear", *USUAL),
    },
    "vgg13": {
        "tv_in1k": TimmTag("bsd-3-clause", 224, 0.875, "bilinear", *USUAL),
    },
    "vgg16": {
        "tv_in1k": TimmTag("bsd-3-clause", 224, 0.875, "bilinear", *USUAL),
    },
    "vgg19": {
        "tv_in1k": TimmTag("bsd-3-clause", 224, 0.875, "bilinear", *USUAL),
    },
    "vgg11_bn": {
        "tv_in1k": TimmTag("bsd-3-clause", 224, 0.875, "bilinear", *USUAL),
    },
    "vgg13_bn": {
        "tv_in1k": TimmTag("bsd-3-clause", 224, 0.875, "bilinear", *USUAL),
    },
    "vgg16_bn": {
        "tv_in1k": TimmTag("bsd-3-clause", 224, 0.875, "bilinear", *USUAL),
    },
    "vgg19_bn": {
        "tv_in1k": TimmTag("bsd-3-clause", 224, 0.875, "bilinear", *USUAL),
    },
    "resnet18": {
        "a1_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "a2_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "a3_in1k": TimmTag("apache-2.0", 160, 0.95, "bicubic", *USUAL),
        "tv_in1k": TimmTag("bsd-3-clause", 224, 0.875, "bilinear", *USUAL),
        "fb_ssl_yfcc100m_ft_in1k": TimmTag("cc-by-nc-4.0", 224, 0.875, "bilinear", *USUAL),
        "fb_swsl_ig1b_ft_in1k": TimmTag("cc-by-nc-4.0", 224, 0.875, "bilinear", *USUAL),
        "gluon_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
    },
    "resnet34": {
        "a1_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "a2_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "a3_in1k": TimmTag("apache-2.0", 160, 0.95, "bicubic", *USUAL),
        "bt_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
        "ra4_e3600_r224_in1k": TimmTag("apache-2.0", 224, 0.9, "bicubic", *HALF),
        "tv_in1k": TimmTag("bsd-3-clause", 224, 0.875, "bilinear", *USUAL),
        "gluon_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
    },
    "resnet50": {
        "a1_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "a1h_in1k": TimmTag("apache-2.0", 176, 0.9, "bicubic", *USUAL),
        "a2_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "a3_in1k": TimmTag("apache-2.0", 160, 0.95, "bicubic", *USUAL),
        "b1k_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "b2k_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "c1_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "c2_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "d_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "ram_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
        "am_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
        "ra_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
        "bt_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
        "tv_in1k": TimmTag("bsd-3-clause", 224, 0.875, "bilinear", *USUAL),
        "tv2_in1k": TimmTag("bsd-3-clause", 176, 0.875, "bilinear", *USUAL),
        "bamboo": TimmTag("None", 224, 1.0, "bicubic", *USUAL),
        "fb_ssl_yfcc100m_ft_in1k": TimmTag("cc-by-nc-4.0", 224, 0.875, "bilinear", *USUAL),
        "fb_swsl_ig1b_ft_in1k": TimmTag("cc-by-nc-4.0", 224, 0.875, "bilinear", *USUAL),
        "gluon_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
    },
    "resnet101": {
        "a1h_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "a1_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "a2_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "a3_in1k": TimmTag("apache-2.0", 160, 0.95, "bicubic", *USUAL),
        "tv_in1k": TimmTag("bsd-3-clause", 224, 0.875, "bilinear", *USUAL),
        "tv2_in1k": TimmTag("bsd-3-clause", 176, 0.875, "bilinear", *USUAL),
        "gluon_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
    },
    "resnet152": {
        "a1h_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "a1_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "a2_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "a3_in1k": TimmTag("apache-2.0", 160, 0.95, "bicubic", *USUAL),
        "tv_in1k": TimmTag("bsd-3-clause", 224, 0.875, "bilinear", *USUAL),
        "tv2_in1k": TimmTag("bsd-3-clause", 176, 0.875, "bilinear", *USUAL),
        "gluon_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
    },
    "resnext50_32x4d": {
        "a1h_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "a1_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "a2_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "a3_in1k": TimmTag("apache-2.0", 160, 0.95, "bicubic", *USUAL),
        "ra_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
        "tv_in1k": TimmTag("bsd-3-clause", 224, 0.875, "bilinear", *USUAL),
        "tv2_in1k": TimmTag("bsd-3-clause", 176, 0.875, "bilinear", *USUAL),
        "fb_ssl_yfcc100m_ft_in1k": TimmTag("cc-by-nc-4.0", 224, 0.875, "bilinear", *USUAL),
        "fb_swsl_ig1b_ft_in1k": TimmTag("cc-by-nc-4.0", 224, 0.875, "bilinear", *USUAL),
        "gluon_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
    },
    "resnext101_32x4d": {
        "fb_ssl_yfcc100m_ft_in1k": TimmTag("cc-by-nc-4.0", 224, 0.875, "bilinear", *USUAL),
        "fb_swsl_ig1b_ft_in1k": TimmTag("cc-by-nc-4.0", 224, 0.875, "bilinear", *USUAL),
        "gluon_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
    },
    "resnext101_32x8d": {
        "tv_in1k": TimmTag("bsd-3-clause", 224, 0.875, "bilinear", *USUAL),
        "tv2_in1k": TimmTag("bsd-3-clause", 176, 0.875, "bilinear", *USUAL),
        "fb_wsl_ig1b_ft_in1k": TimmTag("cc-by-nc-4.0", 224, 0.875, "bilinear", *USUAL),
        "fb_ssl_yfcc100m_ft_in1k": TimmTag("cc-by-nc-4.0", 224, 0.875, "bilinear", *USUAL),
        "fb_swsl_ig1b_ft_in1k": TimmTag("cc-by-nc-4.0", 224, 0.875, "bilinear", *USUAL),
    },
    "resnext101_64x4d": {
        "c1_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "tv_in1k": TimmTag("bsd-3-clause", 224, 0.875, "bilinear", *USUAL),
        "gluon_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
    },
    "wide_resnet50_2": {
        "racm_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
        "tv_in1k": TimmTag("bsd-3-clause", 224, 0.875, "bilinear", *USUAL),
        "tv2_in1k": TimmTag("bsd-3-clause", 176, 0.875, "bilinear", *USUAL),
    },
    "wide_resnet101_2": {
        "tv_in1k": TimmTag("bsd-3-clause", 224, 0.875, "bilinear", *USUAL),
        "tv2_in1k": TimmTag("bsd-3-clause", 176, 0.875, "bilinear", *USUAL),
    },
    "seresnet50": {
        "a1_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "a2_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *USUAL),
        "a3_in1k": TimmTag("apache-2.0", 160, 0.95, "bicubic", *USUAL),
        "ra2_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
    },
    "seresnext50_32x4d": {
        "racm_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
        "gluon_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
    },
    "resnetv2_18": {
        "ra4_e3600_r224_in1k": TimmTag("apache-2.0", 224, 0.9, "bicubic", *HALF),
    },
    "resnetv2_34": {
        "ra4_e3600_r224_in1k": TimmTag("apache-2.0", 224, 0.9, "bicubic", *HALF),
    },
    "resnetv2_50": {
        "a1h_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *HALF),
    },
    "resnetv2_101": {
        "a1h_in1k": TimmTag("apache-2.0", 224, 0.95, "bicubic", *HALF),
    },
    "inception_resnet_v2": {
        "tf_in1k": TimmTag("apache-2.0", 299, 0.8975, "bicubic", *HALF),
        "tf_ens_adv_in1k": TimmTag("apache-2.0", 299, 0.8975, "bicubic", *HALF),
    },
    "densenet121": {
        "ra_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
        "tv_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
    },
    "densenet161": {
        "tv_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
    },
    "densenet169": {
        "tv_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
    },
    "densenet201": {
        "tv_in1k": TimmTag("apache-2.0", 224, 0.875, "bicubic", *USUAL),
    },
}
"""By network, then by tag; the first tag is the default."""
