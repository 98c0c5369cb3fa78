"""`TractionRows`: the rows and buttons of the traction dock."""

from __future__ import annotations

from napari.components import ViewerModel
from qtpy.QtGui import QAction
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QMenu,
    QProgressBar,
    QPushButton,
)
from superqt import QCollapsible

from napari_vit_tfm.config import DisplayConfig, PreparationConfig, ReadingConfig
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.napari.computing import COMPUTING_TO_LOOK_AT
from napari_vit_tfm.napari.layers.companions import STYLES
from napari_vit_tfm.napari.traction.examination import FieldNotes
from napari_vit_tfm.napari.traction.noise import NoiseRows
from napari_vit_tfm.napari.traction.results import WAYS
from napari_vit_tfm.napari.widgets.dock import ModelDock
from napari_vit_tfm.napari.widgets.forms import Form, form_section
from napari_vit_tfm.napari.widgets.text_label import TextLabel
from napari_vit_tfm.options import options_of

_WARNING_STYLE = (
    "QLabel { background: #5c3b00; color: #ffe0a3; border-left: 4px solid #ffb000; "
    "padding: 3px; }"
)

_Y = {"y": options_of(ReadingConfig)["y"]}


class TractionRows(ModelDock):
    """The rows and buttons of the traction dock, without what they do.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer whose layers are used.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer, message_lines=2)
        self._build()
        self._lay_out()

    def _build(self) -> None:
        self.open_button = QPushButton("Open…")
        self.open_button.setToolTip(
            "Open a file, or several files as one time-lapse, with this plugin."
        )
        self.notes = FieldNotes()
        self.run_button = QPushButton()
        self.run_button.setToolTip("Compute the tractions of all frames.")
        self.progress = QProgressBar()
        self.progress.hide()
        self.update_last = QCheckBox("Update the last result")
        self.update_last.setChecked(DisplayConfig().update_last_result)
        self.update_last.setToolTip(
            "Replace the tractions in the layers of the last result of the field. "
            "Otherwise, every run adds new layers."
        )
        self.save_button = QPushButton("Save tractions…")
        self.save_button.setToolTip("Save the result that is named below.")
        self.copy_button = QPushButton("Copy as")
        self.copy_button.setToolTip(
            "Copy a script or a command that computes the result that is named below "
            "from its file."
        )
        menu = QMenu(self.copy_button)
        self.copy_python, self.copy_command = map(menu.addAction, WAYS)
        self.copy_button.setMenu(menu)
        self.save_note = TextLabel(1)
        self.warning_note = TextLabel(1)
        self.warning_note.setStyleSheet(_WARNING_STYLE)
        self.warning_note.setToolTip(
            "The error of the network is known only for fields like those of its "
            "training. Compare with bayesian-fttc."
        )
        self.residual_note = TextLabel(3)
        self.residual_note.setToolTip(
            "A large share alone is no merit: a method that puts tractions into the "
            "noise explains more of it."
        )
        self.show_button = QPushButton("Show")
        self.show_button.setToolTip(
            "Show what was computed with the tractions, such as the displacement that "
            "they do not explain."
        )
        shown = QMenu(self.show_button)
        shown.setToolTipsVisible(True)
        self.show_actions: dict[str, QAction] = {}
        for name, style in STYLES.items():
            action = shown.addAction(style.words.capitalize())
            assert action is not None
            action.setToolTip(style.tip)
            self.show_actions[name] = action
        self.show_button.setMenu(shown)
        self.fade_uncertain = QCheckBox("Fade uncertain")
        self.fade_uncertain.setChecked(DisplayConfig().fade_uncertain)
        self.fade_uncertain.setToolTip(
            "Let tractions fade below two standard deviations, and nearly "
            "hide them below one. The data do not change."
        )

    def _lay_out(self) -> None:
        source = QHBoxLayout()
        source.addWidget(self.fields, 1)
        source.addWidget(self.open_button)
        self.form.addRow("Displacement", source)
        self.calibration = Form(DisplacementStack, self.form)
        self.y_axis = Form(_Y, self.form)
        self.gel = Form(Gel, self.form)
        self.model_rows.add()
        self.preparation, prepared = form_section(
            "Preparation", PreparationConfig, "What is done to the displacements first."
        )
        self.computing, computed = form_section(
            "Computing",
            COMPUTING_TO_LOOK_AT,
            "Views, device, batch size and noise of the computation.",
        )
        self.noise = NoiseRows(self._viewer.layers)
        assert isinstance(computed, QCollapsible)
        computed.addWidget(self.noise)
        self.rows.addLayout(self.form)
        self.rows.addWidget(self.notes)
        for row in (prepared, computed, self.update_last):
            self.rows.addWidget(row)
        self.rows.addStretch()
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button)
        buttons.addWidget(self.save_button)
        buttons.addWidget(self.copy_button)
        buttons.addWidget(self.show_button)
        self.footer.addLayout(buttons)
        for row in (
            self.fade_uncertain,
            self.progress,
            self.warning_note,
            self.message,
            self.save_note,
            self.residual_note,
        ):
            self.footer.addWidget(row)
