from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from qtpy.QtCore import QPointF, Qt, QTimer
from qtpy.QtWidgets import QToolTip

from canvas import choose
from napari_vit_tfm.napari.attention.gallery import Gallery, TileImage, columns_for


@pytest.mark.parametrize(
    ("n", "width", "height", "columns"),
    [(12, 400, 300, 4), (12, 1200, 100, 12), (12, 90, 1200, 1), (8, 400, 200, 4)],
)
def test_the_number_of_columns_maximises_the_tiles(n, width, height, columns):
    assert columns_for(n, width, height, aspect=1.0) == columns


def tile(name: str, colour=(255, 0, 0)) -> TileImage:
    return TileImage(name, np.full((16, 20, 3), colour, dtype=np.uint8))


@pytest.fixture
def gallery(qtbot) -> Gallery:
    gallery = Gallery()
    qtbot.addWidget(gallery)
    gallery.resize(700, 160)
    tiles = [tile("block 1"), tile("block 2", (0, 255, 0)), TileImage("empty", None)]
    gallery.show_tiles(tiles, outline=(0.5, 0.0, 1.0, 0.5), field_shape=(16, 20))
    gallery.mark(1)
    gallery.show_scale(
        np.array([[0, 0, 0], [1, 1, 1]]), ("0", "4"), "uniform attention"
    )
    gallery.show()
    return gallery


def test_tiles_are_in_a_row_and_have_the_shape_of_the_field(gallery):
    rects = [gallery.tile_rect(number) for number in range(3)]
    for left, right in pairwise(rects):
        assert left.right() < right.left()
        assert left.top() == right.top()
    for rect in rects:
        assert rect.height() / rect.width() == pytest.approx(16 / 20)
        assert gallery.rect().contains(rect.toRect())


def test_a_click_emits_the_index_of_its_tile(gallery, qtbot):
    for number in range(3):
        place = gallery.tile_rect(number).center().toPoint()
        with qtbot.waitSignal(gallery.clicked, timeout=1000) as caught:
            qtbot.mouseClick(gallery, Qt.MouseButton.LeftButton, pos=place)
        assert caught.args == [number]
    assert gallery.tile_at(QPointF(699, 159)) is None


def test_a_tooltip_shows_the_full_name_of_a_tile(gallery, qtbot):
    qtbot.mouseMove(gallery, gallery.tile_rect(0).center().toPoint())
    qtbot.mouseMove(gallery, gallery.tile_rect(1).center().toPoint())
    qtbot.waitUntil(lambda: QToolTip.text() == "block 2")
    assert gallery.cursor().shape() == Qt.CursorShape.PointingHandCursor


def test_pictures_and_the_chosen_patch_are_drawn_upright(gallery):
    image = gallery.grab().toImage()
    ratio = gallery.devicePixelRatioF()

    def colour(number: int, x: float, y: float) -> tuple[int, int, int]:
        rect = gallery.tile_rect(number)
        place = QPointF(rect.left() + x * rect.width(), rect.top() + y * rect.height())
        found = image.pixelColor(int(place.x() * ratio), int(place.y() * ratio))
        return found.red(), found.green(), found.blue()

    assert colour(0, 0.25, 0.75) == (255, 0, 0)
    assert colour(1, 0.25, 0.75) == (0, 255, 0)
    # The chosen patch is the upper right quarter; its lower left corner is pink.
    rect = gallery.tile_rect(0)
    around = [
        colour(0, 0.5 + dx / rect.width(), 0.5 + dy / rect.height())
        for dx in (-1, 0, 1)
        for dy in (-1, 0, 1)
    ]
    assert any(blue > 100 for _, _, blue in around)


def test_the_scale_can_be_hidden(gallery):
    def beside_the_tiles():
        right = gallery.tile_rect(2).right()
        shown = gallery.grab().toImage()
        ratio = gallery.devicePixelRatioF()
        columns = range(int((right + 8) * ratio), shown.width())
        return {
            shown.pixelColor(x, y).rgb() for x in columns for y in range(shown.height())
        }

    assert len(beside_the_tiles()) > 2
    gallery.hide_scale()
    assert len(beside_the_tiles()) == 1


def test_without_tiles_there_is_a_hint(gallery):
    gallery.clear()
    assert gallery.names == []
    assert not gallery.grab().isNull()


def test_frequent_changes_do_not_delay_the_gallery(inspecting, qtbot):
    qtbot.wait(100)
    assert inspecting.panel.gallery.names == []
    timer = QTimer()
    timer.timeout.connect(inspecting.inspector.look_at)
    timer.start(5)
    choose(inspecting, (1, 2))
    qtbot.waitUntil(lambda: len(inspecting.panel.gallery.names) == 5)
    timer.stop()


def test_a_click_on_an_outdated_gallery_is_ignored(inspecting):
    choose(inspecting, (1, 2))
    inspecting.inspector.choose(None)
    inspecting.panel.gallery.clicked.emit(3)
    assert inspecting.inspector.shown.view.evidence is None


def test_all_maps_are_in_the_gallery(inspecting, qtbot, finish):
    gallery = inspecting.panel.gallery
    choose(inspecting, (1, 2))
    qtbot.waitUntil(lambda: len(gallery.names) == 5)
    evidence = ["influence", "physical reference", "knock-out"]
    assert gallery.names == ["block 1", "block 2", *evidence]
    assert gallery.current == 1
    gallery.clicked.emit(0)
    assert inspecting.inspector.shown.view.block == 0
    qtbot.waitUntil(lambda: gallery.current == 0)
    # A click on an empty tile computes its map.
    gallery.clicked.emit(2)
    finish(inspecting)
    assert inspecting.inspector.shown.view.evidence == "influence"
    assert inspecting.inspector.shown.findings.influence is not None
    qtbot.waitUntil(lambda: not inspecting.panel.plots.isHidden())
    assert gallery.current == 2
