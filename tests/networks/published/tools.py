"""What hubs say of weights."""

USUAL = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def down(hub):
    """The server is not there any more; later stops do nothing."""
    hub.stop()
    hub.stop = lambda: None


def transformers_config(**changes):
    """config.json of microsoft/resnet-50, in parts."""
    said = {
        "architectures": ["ResNetForImageClassification"],
        "depths": [3, 4, 6, 3],
        "downsample_in_first_stage": False,
        "hidden_sizes": [256, 512, 1024, 2048],
        "id2label": {"0": "tench", "1": "goldfish"},
        "layer_type": "bottleneck",
        "model_type": "resnet",
        "transformers_version": "4.18.0",
    }
    return said | changes
