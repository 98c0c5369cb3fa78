from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_vit_tfm.napari.quantities.plot import Line, TimePlot


def line(cell, tractions, colour, values):
    return Line(cell, tractions, colour, "-", "o", tuple(range(len(values))), values)


@pytest.fixture
def plot(qtbot):
    plot = TimePlot()
    qtbot.addWidget(plot)
    plot.resize(400, 200)
    lines = [
        line("cell 1", "ViT", "#56B4E9", (1.0, 2.0, math.nan, 4.0)),
        line("cell 2", "ViT", "#E69F00", (3.0, 2.0, 1.0, 0.0)),
    ]
    plot.show_lines(lines, "strain energy (fJ)")
    return plot


def test_frames_are_from_left_to_right_inside_the_widget(plot):
    places = [plot.position_of(frame) for frame in range(4)]
    assert places == sorted(places)
    assert 0 < places[0] < places[-1] < plot.width()


@pytest.mark.parametrize("frame", [0, 2, 3])
def test_a_click_chooses_the_nearest_frame(plot, qtbot, frame):
    place = QPoint(round(plot.position_of(frame)) + 3, 80)
    with qtbot.waitSignal(plot.frame_chosen) as chosen:
        qtbot.mouseClick(plot, Qt.MouseButton.LeftButton, pos=place)
    assert chosen.args == [frame]


def test_a_click_beside_the_lines_chooses_the_first_or_the_last_frame(plot):
    assert (plot.frame_at(0), plot.frame_at(399)) == (0, 3)


def test_an_empty_plot_has_no_frames(plot):
    plot.show_lines([], "")
    assert plot.frame_at(200) is None
    assert not plot.grab().isNull()


def test_the_mark_is_drawn_at_the_frame(plot):
    before = plot.grab().toImage()
    plot.mark_frame(2)
    after = plot.grab().toImage()
    changed = {
        x
        for x in range(after.width())
        for y in range(after.height())
        if before.pixel(x, y) != after.pixel(x, y)
    }
    ratio = plot.devicePixelRatioF()
    assert changed
    assert all(abs(x / ratio - plot.position_of(2)) <= 1.5 for x in changed)


def test_the_mark_does_not_draw_the_lines_again(plot, monkeypatch):
    plot.grab()
    monkeypatch.setattr(plot, "_draw", lambda size: pytest.fail("drawn again"))
    plot.mark_frame(1)
    plot.grab()


@pytest.mark.parametrize(
    ("n_cells", "n_tractions", "expected"),
    [
        (1, 1, []),
        (2, 1, ["cell 1", "cell 2"]),
        (1, 3, ["method 0", "method 1", "method 2"]),
        (2, 3, ["method 0", "method 1", "method 2", "cell 1", "cell 2"]),
        (20, 2, []),
    ],
)
def test_the_legend_names_cells_and_tractions_once(
    plot, monkeypatch, n_cells, n_tractions, expected
):
    from matplotlib.figure import Figure

    named = []
    monkeypatch.setattr(
        Figure,
        "legend",
        lambda _figure, handles, **_options: named.extend(
            handle.get_label() for handle in handles
        ),
    )
    lines = [
        line(f"cell {cell}", f"method {number}", "#56B4E9", (1.0, 2.0))
        for number in range(n_tractions)
        for cell in range(1, n_cells + 1)
    ]
    plot.show_lines(lines, "strain energy (fJ)")
    plot.grab()
    assert named == expected


@pytest.mark.parametrize(
    ("values", "frame"), [((2.0, 3.0, 2.0), 1), ((2.0,), 0), ((2.0, math.nan, 3.0), 2)]
)
def test_intervals_are_bands_and_bars_at_single_values(plot, values, frame):
    low, high = (tuple(np.array(values) + shift) for shift in (-1, 1))
    alone = line("cell 1", "ViT", "#56B4E9", values)
    reference = line("cell 2", "ViT", "#56B4E9", (0.0, 5.0))
    pictures = []
    for ends in ((), (low, high, low, high)):
        shown = dataclasses.replace(alone, ends=ends)
        plot.show_lines([shown, reference], "force (nN)")
        pictures.append(plot.grab().toImage())
    x = round(plot.position_of(frame) * plot.devicePixelRatioF())
    changed = [
        y
        for y in range(pictures[0].height())
        if pictures[0].pixel(x, y) != pictures[1].pixel(x, y)
    ]
    # From 1 below to 1 above, of an axis of 5.
    assert 0.2 * plot.height() < max(changed) - min(changed) < 0.5 * plot.height()
