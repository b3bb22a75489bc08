"""The scatter plot: what is drawn where, and that names collide with nothing."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from residua.networks.catalog import FACTS, SPECS, get_spec
from residua.report.groups import GROUPS, group_of, grouped
from residua.report.placing import Box, Disc, place_labels
from residua.report.plots import LIGHT
from residua.report.scatter import Point, known_points, scatter

BOUNDS = Box(0, 0, 600, 400)


def assert_free(discs: list[Disc], boxes: list[Box | None]) -> None:
    """No two boxes overlap, none touches a disc, none leaves the bounds; checked by hand."""
    placed = [box for box in boxes if box is not None]
    for i, a in enumerate(placed):
        assert a.left >= 0
        assert a.bottom >= 0
        assert a.right <= 600
        assert a.top <= 400
        for b in placed[i + 1 :]:
            across = min(a.right, b.right) - max(a.left, b.left)
            up = min(a.top, b.top) - max(a.bottom, b.bottom)
            assert min(across, up) <= 1e-9
        for disc in discs:
            dx = max(a.left - disc.x, 0, disc.x - a.right)
            dy = max(a.bottom - disc.y, 0, disc.y - a.top)
            assert math.hypot(dx, dy) >= disc.radius - 1e-9


disc = st.builds(Disc, st.floats(10, 590), st.floats(10, 390), st.floats(1, 20))


@settings(max_examples=30, deadline=None)
@given(st.lists(disc, min_size=1, max_size=12), st.floats(5, 80))
def test_labels_collide_with_nothing(discs: list[Disc], width: float) -> None:
    boxes = place_labels(discs, [(width, 10.0)] * len(discs), BOUNDS, gap=3)
    assert len(boxes) == len(discs)
    assert_free(discs, boxes)


def test_a_point_alone_has_its_label_at_its_right() -> None:
    (box,) = place_labels([Disc(100, 100, 5)], [(40, 10)], BOUNDS, gap=3)
    assert box is not None
    assert (box.bottom, box.top) == pytest.approx((95, 105))
    assert 105 < box.left < 110


def test_at_the_right_edge_the_label_is_elsewhere() -> None:
    (box,) = place_labels([Disc(595, 100, 2)], [(40, 10)], BOUNDS, gap=3)
    assert box is not None
    assert box.right <= 600


def test_a_label_that_fits_nowhere_is_left_out() -> None:
    assert place_labels([Disc(100, 100, 5)], [(601, 10)], BOUNDS, gap=3) == [None]


@pytest.mark.parametrize(
    ("start", "end", "crossed"),
    [
        ((0, 5), (20, 5), True),
        ((0, 0), (20, 8), True),
        ((0, 0), (20, 20), False),
        ((0, 5), (9, 5), False),
        ((0, 11), (20, 11), False),
        ((5, 0), (5, 20), False),
        ((12, 5), (13, 5), True),
    ],
)
def test_a_line_that_enters_a_box(
    start: tuple[float, float], end: tuple[float, float], crossed: bool
) -> None:
    assert Box(10, 0, 20, 10).is_crossed(start, end) is crossed


def test_points_are_networks_with_a_published_accuracy() -> None:
    points = known_points(SPECS, lambda name: 10**9)
    assert {p.name for p in points} == {name for name in SPECS if FACTS[name].top1 is not None}
    resnet50 = next(p for p in points if p.name == "resnet50")
    assert resnet50 == Point(
        name="resnet50",
        group="ResNet",
        data="ImageNet",
        macs=10**9,
        parameters=25_557_032,
        top1=76.13,
    )


def test_a_panel_for_each_data_set_with_bubbles_in_place() -> None:
    names = "resnet18", "vgg16", "resnet20", "densenet_bc_100_12", "resnet50"
    macs = dict(zip(names, (2e9, 15e9, 4e7, 3e8, 4e9), strict=True))
    points = known_points(names, lambda name: int(macs[name]))
    figure = scatter(LIGHT, points)
    imagenet, cifar = figure.axes
    assert [ax.get_title().split(":")[0] for ax in figure.axes] == [
        "ImageNet",
        "CIFAR-10",
    ]
    assert {text.get_text() for text in imagenet.texts} == {"resnet18", "vgg16", "resnet50"}
    assert {text.get_text() for text in cifar.texts} == {"resnet20", "densenet_bc_100_12"}
    bubbles = {
        tuple(map(float, one.get_offsets()[0])): float(one.get_sizes()[0])
        for one in imagenet.collections[::2]
    }
    assert set(bubbles) == {(p.macs, p.top1) for p in points if p.data == "ImageNet"}
    ratio = bubbles[15e9, FACTS["vgg16"].top1] / bubbles[2e9, FACTS["resnet18"].top1]
    assert ratio == pytest.approx(FACTS["vgg16"].parameters / FACTS["resnet18"].parameters)
    assert imagenet.get_xscale() == "log"


def test_names_on_the_drawn_plot_do_not_overlap() -> None:
    """All texts inside the axes, by the extents that matplotlib gives."""
    points = known_points(SPECS, lambda name: SPECS[name].usual_size ** 2 * FACTS[name].parameters)
    figure = scatter(LIGHT, points)
    figure.canvas.draw()
    for ax in figure.axes:
        extents = [text.get_window_extent().padded(-1) for text in ax.texts]
        for i, extent in enumerate(extents):
            assert extent.count_overlaps(extents[i + 1 :]) == 0


def test_groups_hold_every_network_once_in_order() -> None:
    groups = grouped(SPECS.values())
    assert sorted(spec.name for members in groups.values() for spec in members) == sorted(SPECS)
    assert set(groups) <= {group.title for group in GROUPS.values()}
    assert group_of(get_spec("seresnext50_32x4d")).title == "SE-ResNet"
    assert group_of(get_spec("wide_resnet50_2")).title == "Wide ResNet"
    assert group_of(get_spec("resnet110")).title == "ResNet"
