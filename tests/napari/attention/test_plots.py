"""The plots below the picture."""

from __future__ import annotations

from qtpy.QtGui import QColor

from canvas import choose, pick
from napari_vit_tfm.attention.frame import ROLLOUT, MapChoice


def test_the_plots_are_of_the_map_that_is_looked_at(inspecting, qtbot, finish):
    plots = inspecting.panel.plots
    choose(inspecting, (1, 2))
    inspecting.test.click()
    finish(inspecting)
    qtbot.waitUntil(lambda: not plots.isHidden())
    of_rollout = plots._label.pixmap().toImage()
    pick(inspecting.controls.map, "attention")
    pick(inspecting.controls.direction, "to")

    def shown() -> MapChoice:
        return plots._shown.choice

    qtbot.waitUntil(lambda: shown() == MapChoice("attention", None, "to"))
    # Its correlations, and no curve: this map has not been tested.
    assert plots._shown.influence is not None
    assert plots._shown.faithfulness is None
    assert plots._label.pixmap().toImage() != of_rollout
    pick(inspecting.controls.direction, "from")
    pick(inspecting.controls.map, "rollout")
    qtbot.waitUntil(lambda: shown() == ROLLOUT)
    assert plots._shown.faithfulness is not None
    assert plots._label.pixmap().toImage() == of_rollout


def test_the_plots_are_drawn_anew_in_another_theme_only(
    inspecting, finish, qtbot, monkeypatch
):
    choose(inspecting, (1, 2))
    inspecting.test.click()
    finish(inspecting)
    plots = inspecting.panel.plots
    qtbot.waitUntil(lambda: not plots.isHidden())
    drawn = []
    draw = plots._plots
    monkeypatch.setattr(plots, "_plots", lambda *_: drawn.append(1) or draw(*_))
    plots.setStyleSheet("QWidget { background: gray }")
    assert not drawn
    palette = plots.palette()
    palette.setColor(palette.ColorRole.WindowText, QColor("orange"))
    plots.setStyleSheet("")
    plots.setPalette(palette)
    assert drawn == [1]
