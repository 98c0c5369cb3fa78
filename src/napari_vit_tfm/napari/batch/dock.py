"""The dock that analyses many experiments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
)

from napari_vit_tfm import io
from napari_vit_tfm.batch import (
    Experiment,
    Outcome,
    Overview,
    Progress,
    Settings,
    check_inputs,
    check_overview,
    experiments_of,
    read_experiments,
)
from napari_vit_tfm.batch.summary import FIGURE
from napari_vit_tfm.config import (
    BatchConfig,
    PreparationConfig,
    QuantitiesConfig,
    ReadingConfig,
)
from napari_vit_tfm.errors import TFMError
from napari_vit_tfm.fields import Displacement
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.napari.batch.figure import SummaryWindow
from napari_vit_tfm.napari.batch.running import (
    BatchRun,
    LoadedResults,
    Loading,
    load_results,
    loading_of,
    run_experiments,
)
from napari_vit_tfm.napari.batch.showing import ShownExperiments
from napari_vit_tfm.napari.batch.table import ExperimentsTable
from napari_vit_tfm.napari.computing import COMPUTING
from napari_vit_tfm.napari.errors import report
from napari_vit_tfm.napari.latest_job import LatestJob
from napari_vit_tfm.napari.widgets.dock import Dock
from napari_vit_tfm.napari.widgets.forms import Form, form_section
from napari_vit_tfm.napari.widgets.inputs import ModelRows
from napari_vit_tfm.options import Choice, Number, Option, options_of
from napari_vit_tfm.plain_text import without_tags

_INTRODUCTION = (
    "Choose a table with one experiment in each row, or several files. The results of "
    "each, and one summary of all, are written to a folder."
)
_CANCELLED = "Cancelled. What is done stays; Run goes on."


def _as_in_file(options: Mapping[str, Option]) -> dict[str, Option]:
    """Options that say nothing unless they are set."""
    return {
        name: replace(option, about=replace(option.about, otherwise="as in the file"))
        if isinstance(option.about, Number | Choice)
        else option
        for name, option in options.items()
    }


_READING = {
    **options_of(Displacement),
    **{
        name: option
        for name, option in options_of(ReadingConfig).items()
        if name != "is_series"
    },
}


class BatchDock(Dock):
    """Analyses the experiments of a table, or files, and shows their results.

    Parameters
    ----------
    napari_viewer : ViewerModel
        The viewer to which results are added.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer, message_lines=2)
        self._job = LatestJob[BatchRun, Progress | Outcome, Overview](
            self,
            run_experiments,
            on_step=self._on_step,
            on_result=self._on_result,
            on_error=self._on_error,
            on_finished=self.refresh,
        )
        self._loading = LatestJob[Loading, Any, LoadedResults](
            self,
            load_results,
            on_result=self._on_loaded,
            on_error=self._on_loading_error,
        )
        self._find: Callable[[], list[Experiment]] | None = None
        self._experiments: list[Experiment] = []
        self._inputs: list[Path] = []
        self._done: dict[str, float] = {}
        self._shown = ShownExperiments(napari_viewer.layers)
        self._outcome = self._failure = ""
        self._build()
        self._lay_out()
        self._connect_widgets()
        self.refresh()

    def _build(self) -> None:
        self.source = QLineEdit()
        self.source.setReadOnly(True)
        self.source.setPlaceholderText("a table, or files")
        self.table_button = QPushButton("Table…")
        self.table_button.setToolTip("Choose a table with one experiment in each row.")
        self.files_button = QPushButton("Files…")
        self.files_button.setToolTip("Choose files; each is an experiment.")
        self.folder = QLineEdit()
        self.folder.setToolTip("Folder for the results. It is created.")
        self.folder_button = QPushButton("Folder…")
        self.folder_button.setToolTip("Choose the folder for the results.")
        self.table = ExperimentsTable()
        self.table.setToolTip("Double-click an experiment to show its tractions.")
        self.progress = QProgressBar()
        self.run_button = QPushButton()
        self.run_button.setToolTip(
            "Analyse all experiments. What is done already is not computed again."
        )
        self.show_button = QPushButton("Show")
        self.show_button.setToolTip(
            "Show the tractions and the displacements of the selected experiment."
        )
        self.figure_button = QPushButton("Figure")
        self.figure_button.setToolTip("Show the figure of the summary.")
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip(
            "Copy the table, or its selected rows, as text, with the reasons of "
            "failures."
        )
        self.figure = SummaryWindow(self)

    def _lay_out(self) -> None:
        source = QHBoxLayout()
        for one in (self.source, self.table_button, self.files_button):
            source.addWidget(one)
        folder = QHBoxLayout()
        for one in (self.folder, self.folder_button):
            folder.addWidget(one)
        self.form.addRow("Experiments", source)
        self.form.addRow("Results", folder)
        self.gel = Form(_as_in_file(options_of(Gel)), self.form)
        self.model_rows = ModelRows(self.form)
        self.model = self.model_rows.model
        self.model_rows.add()
        self.rows.addLayout(self.form)
        self.reading, read = form_section(
            "Displacements",
            _as_in_file(_READING),
            "Unit and lengths of all experiments whose row in the table has none.",
        )
        self.preparation, prepared = form_section(
            "Preparation", PreparationConfig, "What is done to the displacements first."
        )
        self.quantities, measured = form_section(
            "Quantities", QuantitiesConfig, "Where quantities are measured, and how."
        )
        self.computing, computed = form_section(
            "Computing",
            COMPUTING | options_of(BatchConfig),
            "Views, device, batch size and processes of the computation.",
        )
        for section in (read, prepared, measured, computed):
            self.rows.addWidget(section)
        self.rows.addWidget(self.table, 1)
        buttons = QHBoxLayout()
        for button in (
            self.run_button,
            self.show_button,
            self.figure_button,
            self.copy_button,
        ):
            buttons.addWidget(button)
        self.footer.addLayout(buttons)
        self.footer.addWidget(self.progress)
        self.footer.addWidget(self.message)

    def _connect_widgets(self) -> None:
        self.table_button.clicked.connect(self._on_table_clicked)
        self.files_button.clicked.connect(self._on_files_clicked)
        self.folder_button.clicked.connect(self._on_folder_clicked)
        self.folder.editingFinished.connect(self._list_experiments)
        self.run_button.clicked.connect(self._on_job_button)
        self.show_button.clicked.connect(self._on_show_clicked)
        self.figure_button.clicked.connect(self._on_figure_clicked)
        self.copy_button.clicked.connect(self.table.copy)
        self.table.experiment_chosen.connect(self.show_experiment)
        self.table.selection_changed.connect(self._show_buttons)

    @property
    def job(self) -> LatestJob[BatchRun, Progress | Outcome, Overview]:
        """The job that analyses."""
        return self._job

    @property
    def is_busy(self) -> bool:
        """Whether a batch is running, or results are being read."""
        return self._job.is_busy or self._loading.is_busy

    def refresh(self) -> None:
        """Update buttons, progress and message."""
        running = self._job.pending is not None
        self.run_button.setText("Cancel" if running else "Run")
        self.run_button.setEnabled(running or bool(self._experiments))
        self.progress.setVisible(running)
        for widget in (
            self.table_button,
            self.files_button,
            self.folder,
            self.folder_button,
        ):
            widget.setEnabled(not running)
        self.copy_button.setEnabled(bool(self._experiments))
        self._show_buttons()
        if not running:
            self.message.setText(self._failure or self._outcome or _INTRODUCTION)

    def _conclude(self, outcome: str) -> None:
        """Keep what to say about list or run; a failure of Show before is past."""
        self._outcome, self._failure = outcome, ""

    def _show_buttons(self) -> None:
        row, folder = self.table.chosen_row(), self._folder()
        results = None if row is None else self._results(row)
        self.show_button.setEnabled(results is not None)
        has_figure = folder is not None and (folder / FIGURE).is_file()
        self.figure_button.setEnabled(has_figure)

    def _results(self, row: int) -> Loading | None:
        """The request for the results of an experiment; None if there are none."""
        folder = self._folder()
        return None if folder is None else loading_of(self._experiments[row], folder)

    # Experiments and folder

    def open_table(self, path: str | Path) -> None:
        """Choose a table of experiments.

        Parameters
        ----------
        path : path
            The table, as for `read_experiments`.
        """
        path = Path(path).absolute()
        self._inputs = [path]
        self._choose(str(path), path.parent, lambda: read_experiments(path))

    def open_files(self, paths: Sequence[str | Path]) -> None:
        """Choose files, each of which is an experiment.

        Parameters
        ----------
        paths : sequence of paths
            The files.
        """
        files = [Path(path).absolute() for path in paths]
        self._inputs = []
        self._choose(
            f"{_counted(len(files), 'file')} in {files[0].parent}",
            files[0].parent,
            lambda: experiments_of(files, self._folder() or files[0].parent),
        )

    def choose_folder(self, path: str | Path) -> None:
        """Choose the folder for the results."""
        self.folder.setText(str(path))
        self._list_experiments()

    def _choose(
        self, words: str, folder: Path, find: Callable[[], list[Experiment]]
    ) -> None:
        self._find = find
        self.source.setText(words)
        self.source.setToolTip(without_tags(words))
        self.folder.setText(str(folder / "results"))
        self._list_experiments()

    def _list_experiments(self) -> None:
        """List the experiments again; those of files have names from the folder."""
        found: list[Experiment] = []
        self._conclude("")
        if self._find is not None:
            try:
                found = self._find()
                self._conclude(f"{_counted(len(found), 'experiment')}.")
            except (TFMError, OSError) as error:
                self._conclude(report(error, activity="reading the table"))
        self._experiments = found
        self.table.show_experiments(found)
        self.refresh()

    def _folder(self) -> Path | None:
        text = self.folder.text().strip()
        return Path(text).expanduser().absolute() if text else None

    def _on_table_clicked(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self,
            "Table of experiments",
            "",
            "Tables (*.csv *.txt *.tsv);;All files (*)",
        )
        if path:
            self.open_table(path)

    def _on_files_clicked(self) -> None:
        endings = {suffix for reader in io.readers() for suffix in reader.suffixes}
        kinds = f"Fields ({' '.join(f'*{one}' for one in sorted(endings))})"
        paths, _ = QFileDialog.getOpenFileNames(
            self, "Displacements of several experiments", "", f"{kinds};;All files (*)"
        )
        if paths:
            self.open_files(paths)

    def _on_folder_clicked(self) -> None:
        path = QFileDialog.getExistingDirectory(
            self, "Folder for the results", self.folder.text()
        )
        if path:
            self.choose_folder(path)

    # Running

    def start_job(self) -> None:
        """Analyse the experiments with the settings of the dock."""
        if self._job.pending is not None or self._find is None:
            return
        # The table may have been edited since it was chosen.
        self._list_experiments()
        folder = self._folder()
        if not self._experiments or folder is None:
            return
        try:
            run = self._run(folder)
        except TFMError as error:
            self._conclude(report(error, activity="the batch"))
            self.refresh()
            return
        self._conclude("")
        self._done = dict.fromkeys((one.name for one in run.experiments), 0.0)
        self.message.setText("Loading the model…")
        self.progress.setRange(0, 0)
        self._job.submit(run)
        self.refresh()

    def cancel_job(self) -> None:
        """Cancel the batch. It stops after the present batch of frames."""
        self._job.cancel()
        self.table.wait_again()
        self._conclude(_CANCELLED)
        self.refresh()

    def _run(self, folder: Path) -> BatchRun:
        """The request for the current settings.

        Raises
        ------
        ConfigError
            If the batch would replace an input, or a file of others.
        """
        given = self.reading.values()
        experiments = tuple(_filled(one, given) for one in self._experiments)
        check_inputs(folder, experiments, self._inputs)
        check_overview(folder)
        computing = self.computing.values()
        n_workers, batch_size = computing.pop("n_workers"), computing.pop("batch_size")
        settings = Settings(
            gel=Gel(**self.gel.values()),
            config=self.model_rows.config(**computing),
            preparation=PreparationConfig(**self.preparation.values()),
            quantities=QuantitiesConfig(**self.quantities.values()),
        )
        return BatchRun(experiments, folder, settings, batch_size, n_workers)

    def _on_step(self, run: BatchRun, step: Progress | Outcome) -> None:
        self.table.show_step(step)
        if isinstance(step, Outcome):
            self._done[step.experiment.name] = 1.0
            self._show_buttons()
        elif step.n_frames:
            self._done[step.experiment.name] = step.n_done / step.n_frames
        total = len(run.experiments)
        self.progress.setRange(0, 1000)
        self.progress.setValue(round(1000 * sum(self._done.values()) / total))
        n_done = sum(part == 1.0 for part in self._done.values())
        self.message.setText(f"{n_done} of {total} experiments done.")

    def _on_result(self, run: BatchRun, overview: Overview) -> None:
        rows = range(len(run.experiments))
        states = Counter(self.table.state_of(row).words for row in rows)
        lines = [f"{', '.join(f'{n} {words}' for words, n in states.items())}."]
        lines += overview.problems or (f"Summary: {overview.files[0]}",)
        self._conclude("\n".join(lines))
        if self.figure.isVisible():
            figure = run.folder / FIGURE
            if figure in overview.files:
                self.figure.show_file(figure)
            else:
                self.figure.close()

    def _on_error(self, _run: BatchRun, error: Exception) -> None:
        self.table.wait_again()
        self._conclude(report(error, activity="the batch"))

    # Showing

    def show_experiment(self, row: int) -> None:
        """Show the tractions and the displacements of an experiment.

        Parameters
        ----------
        row : int
            Its row in the table.
        """
        loading = self._results(row)
        if loading is None:
            return
        self._failure = ""
        if not self._shown.show_again(loading):
            self._loading.submit(loading)
        self.refresh()

    def _on_show_clicked(self) -> None:
        row = self.table.chosen_row()
        if row is not None:
            self.show_experiment(row)

    def _on_loaded(self, loading: Loading, results: LoadedResults) -> None:
        with self.view.fits_larger_fields():
            self._shown.add(loading, results)

    def _on_loading_error(self, _loading: Loading, error: Exception) -> None:
        self._failure = report(error, activity="showing an experiment")
        self.refresh()

    def _on_figure_clicked(self) -> None:
        folder = self._folder()
        if folder is not None and (folder / FIGURE).is_file():
            self.figure.show_file(folder / FIGURE)


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _filled(experiment: Experiment, given: Mapping[str, Any]) -> Experiment:
    """An experiment with given values for what its row does not say."""
    unknown = {
        name: value
        for name, value in given.items()
        if getattr(experiment, name) in (None, False)
    }
    return replace(experiment, **unknown)
