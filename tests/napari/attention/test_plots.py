"""The plots below the picture."""

from __future__ import annotations

from qtpy.QtGui import QColor

from canvas import choose, pick
from napari_vit_tfm.attention.frame import ROLLOUT, MapChoice


def test_the_readout_is_of_the_map_that_is_looked_at(inspecting, qtbot, finish):
    readout = inspecting.panel.plots
    choose(inspecting, (1, 2))
    inspecting.test.click()
    finish(inspecting)
    qtbot.waitUntil(lambda: not readout.isHidden())
    of_rollout = readout._label.pixmap().toImage()
    pick(inspecting.controls.map, "attention")
    pick(inspecting.controls.direction, "to")

    def shown() -> MapChoice:
        return readout._shown.choice

    qtbot.waitUntil(lambda: shown() == MapChoice("attention", None, "to"))
    # Its correlations, and no curve: this map has not been tested.
    assert readout._shown.influence is not None
    assert readout._shown.faithfulness is None
    assert readout._label.pixmap().toImage() != of_rollout
    pick(inspecting.controls.direction, "from")
    pick(inspecting.controls.map, "rollout")
    qtbot.waitUntil(lambda: shown() == ROLLOUT)
    assert readout._shown.faithfulness is not None
    assert readout._label.pixmap().toImage() == of_rollout


def test_the_plots_are_drawn_anew_in_another_theme_only(
    inspecting, finish, qtbot, monkeypatch
):
    choose(inspecting, (1, 2))
    inspecting.test.click()
    finish(inspecting)
    readout = inspecting.panel.plots
    qtbot.waitUntil(lambda: not readout.isHidden())
    drawn = []
    plots = readout._plots
    monkeypatch.setattr(readout, "_plots", lambda *_: drawn.append(1) or plots(*_))
    readout.setStyleSheet("QWidget { background: gray }")
    assert not drawn
    palette = readout.palette()
    palette.setColor(palette.ColorRole.WindowText, QColor("orange"))
    readout.setStyleSheet("")
    readout.setPalette(palette)
    assert drawn == [1]
