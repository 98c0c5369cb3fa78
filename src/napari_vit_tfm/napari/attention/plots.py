"""Small plots of the evidence: how a map compares with it, and knock-out by block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_vit_tfm.attention.figures import draw_effects
from napari_vit_tfm.attention.patch import CHOSEN, EVIDENCE_WORDS, PatchFindings
from napari_vit_tfm.napari.widgets.figures import apply_theme, pixmap_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours of Okabe and Ito, distinguishable with colour blindness and bright enough
# for a dark theme.
_STYLES = {
    CHOSEN: ("the map", "#56B4E9", "o"),
    "influence": (EVIDENCE_WORDS["influence"], "#E69F00", "s"),
    "reference": (EVIDENCE_WORDS["reference"], "#CC79A7", "^"),
    "knockout": (EVIDENCE_WORDS["knockout"], "#009E73", "D"),
}
_WIDTHS = {2: 440, 3: 540}
"""Width of all plots in pixels, by their number."""
_HEIGHT = 150
_DPI = 100
_TEXT_POINTS = 7


class EvidencePlots(QWidget):
    """Rank correlation for each block, faithfulness curves, and effects of knock-out.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: PatchFindings | None = None
        self._colour = ""
        self._label = QLabel()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._label)
        self.setMinimumHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.hide()

    def show_findings(self, findings: PatchFindings | None) -> None:
        """Plot the evidence for a patch; hide the plots if there is none.

        Parameters
        ----------
        findings : PatchFindings, optional
            Results for the patch and the current map.
        """
        if findings is not None and findings.influence is None:
            findings = None
        previous, self._shown = self._shown, findings
        if findings is not None and not (
            previous and _have_same_plots(previous, findings)
        ):
            # First, since the panel makes room for what it is when it is shown.
            self._label.setPixmap(self._render(findings))
        self.setVisible(findings is not None)

    def changeEvent(self, event: QEvent | None) -> None:
        """Redraw with the new text colour when the theme changes."""
        super().changeEvent(event)
        changes = (QEvent.Type.PaletteChange, QEvent.Type.StyleChange)
        if event is None or event.type() not in changes or self._shown is None:
            return
        if self._text_colour() != self._colour:
            self._label.setPixmap(self._render(self._shown))

    def _text_colour(self) -> str:
        return self.palette().windowText().color().name()

    def _render(self, evidence: PatchFindings) -> QPixmap:
        from matplotlib.figure import Figure

        n_plots = 2 if evidence.effects is None else 3
        width = _WIDTHS[n_plots]
        figure = Figure(
            figsize=(width / _DPI, _HEIGHT / _DPI), dpi=_DPI, layout="constrained"
        )
        figure.set_facecolor("none")
        left, right, *last = figure.subplots(1, n_plots)
        _plot_correlations(left, evidence)
        _plot_curves(right, evidence)
        for axes in last:
            _plot_effects(axes, evidence)
        self._colour = colour = self._text_colour()
        for axes in (left, right, *last):
            apply_theme(axes, colour, text_points=_TEXT_POINTS)
        axes_with_legend = right if evidence.faithfulness else left
        handles, labels = axes_with_legend.get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=len(labels),
            fontsize=_TEXT_POINTS,
            frameon=False,
            labelcolor="linecolor",
        )
        return pixmap_of(figure)


def _have_same_plots(one: PatchFindings, other: PatchFindings) -> bool:
    """Whether two findings have the same plots."""
    arrays = ("frame", "influence", "reference", "knockout", "effects", "faithfulness")
    return (one.patch, one.view.choice, one.view.block) == (
        other.patch,
        other.view.choice,
        other.view.block,
    ) and all(getattr(one, name) is getattr(other, name) for name in arrays)


def _plot_correlations(axes: Axes, evidence: PatchFindings) -> None:
    """Plot the rank correlation of each block's map with the evidence."""
    axes.set_title("rank correlation", fontsize=_TEXT_POINTS + 1)
    if evidence.attention is None:
        _show_text(axes, "no attention")
        return
    axes.set_ylim(-1, 1)
    axes.axhline(0, color="0.5", lw=0.6)
    blocks = [block + 1 for block in evidence.blocks]
    for name, map_ in evidence.evidence.items():
        label, colour, marker = _STYLES[name]
        values = evidence.correlations(map_)
        axes.plot(blocks, values, color=colour, marker=marker, ms=3, label=label)
    axes.set_xlabel("block")
    axes.set_xticks(blocks)


def _plot_curves(axes: Axes, evidence: PatchFindings) -> None:
    """Plot the change of the traction against the share of hidden patches."""
    found = evidence.faithfulness
    axes.set_title("change of the traction", fontsize=_TEXT_POINTS + 1)
    if found is None:
        _show_text(axes, "this map has not been tested")
        return
    percent = 100 * found.shares
    styles = dict(_STYLES)
    if evidence.attention is None:
        styles[CHOSEN] = _STYLES["influence"]
    else:
        _, colour, marker = _STYLES[CHOSEN]
        styles[CHOSEN] = f"the map, block {evidence.view.block + 1}", colour, marker
    low, high = found.random.min(axis=0), found.random.max(axis=0)
    axes.fill_between(percent, low, high, color="0.6", alpha=0.5, lw=0)
    axes.plot(percent, found.random.mean(axis=0), color="0.7", ls="--", label="random")
    for name, values in found.changes.items():
        label, colour, marker = styles[name]
        axes.plot(percent, values, color=colour, marker=marker, ms=2, label=label)
    axes.set_xlabel("patches hidden (%)")
    axes.set_ylim(bottom=0)


def _plot_effects(axes: Axes, evidence: PatchFindings) -> None:
    """Plot the change of the traction when the attention is replaced."""
    assert evidence.effects is not None
    axes.set_title("knock-out: change (%)", fontsize=_TEXT_POINTS + 1)
    draw_effects(axes, evidence.effects, colour=_STYLES["knockout"][1])
    axes.set_xlabel("block: all heads, each head")


def _show_text(axes: Axes, text: str) -> None:
    """Show a text instead of a plot."""
    axes.text(
        *(0.5, 0.5),
        text,
        ha="center",
        transform=axes.transAxes,
        fontsize=_TEXT_POINTS + 1,
    )
    axes.set(xticks=[], yticks=[])
