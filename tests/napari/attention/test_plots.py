"""The plots beside the gallery."""

from __future__ import annotations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from qtpy.QtGui import QColor, QImage
from qtpy.QtWidgets import QLabel

from canvas import choose, pick


def picture(plots) -> QImage:
    return plots.findChild(QLabel).pixmap().toImage()


def test_the_plots_are_of_the_current_map(inspecting, qtbot, finish):
    plots = inspecting.panel.plots
    choose(inspecting, (1, 2))
    inspecting.test.click()
    finish(inspecting)
    qtbot.waitUntil(lambda: not plots.isHidden())
    of_rollout = picture(plots)
    pick(inspecting.controls, "map", "attention")
    qtbot.waitUntil(lambda: picture(plots) != of_rollout)
    from_there = picture(plots)
    pick(inspecting.controls, "direction", "to")
    qtbot.waitUntil(lambda: picture(plots) not in (of_rollout, from_there))
    # Correlations, but no curve, since this map has not been tested.
    findings = inspecting.inspector.shown.findings
    assert findings.influence is not None
    assert findings.faithfulness is None
    assert not plots.isHidden()
    pick(inspecting.controls, "direction", "from")
    pick(inspecting.controls, "map", "rollout")
    qtbot.waitUntil(lambda: picture(plots) == of_rollout)
    assert inspecting.inspector.shown.findings.faithfulness is not None


def test_the_plots_are_redrawn_only_in_another_theme(
    inspecting, finish, qtbot, monkeypatch
):
    choose(inspecting, (1, 2))
    inspecting.test.click()
    finish(inspecting)
    plots = inspecting.panel.plots
    qtbot.waitUntil(lambda: not plots.isHidden())
    drawn = []
    draw = FigureCanvasAgg.draw
    monkeypatch.setattr(FigureCanvasAgg, "draw", lambda *_: drawn.append(1) or draw(*_))
    plots.setStyleSheet("QWidget { background: gray }")
    assert not drawn
    palette = plots.palette()
    palette.setColor(palette.ColorRole.WindowText, QColor("orange"))
    plots.setStyleSheet("")
    plots.setPalette(palette)
    assert drawn == [1]


def test_the_plots_are_drawn_before_they_are_shown(
    inspecting, finish, qtbot, monkeypatch
):
    plots, order = inspecting.panel.plots, []
    show, draw = plots.setVisible, FigureCanvasAgg.draw

    def set_visible(on):
        order.extend(["shown"] if on else [])
        show(on)

    monkeypatch.setattr(plots, "setVisible", set_visible)
    monkeypatch.setattr(
        FigureCanvasAgg, "draw", lambda *_: order.append("drawn") or draw(*_)
    )
    choose(inspecting, (1, 2))
    inspecting.test.click()
    finish(inspecting)
    qtbot.waitUntil(lambda: "shown" in order)
    assert order[:2] == ["drawn", "shown"]
