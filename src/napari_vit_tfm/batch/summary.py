"""The files about all experiments of a batch: summary, provenance and figure."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_vit_tfm import __version__
from napari_vit_tfm.batch.analysis import QUANTITIES
from napari_vit_tfm.batch.figure import draw_summary
from napari_vit_tfm.batch.outcome import Outcome
from napari_vit_tfm.errors import ConfigError, FieldFileError
from napari_vit_tfm.io.replacing import check_place, errors_about, replacing
from napari_vit_tfm.plain_text import for_spreadsheet
from napari_vit_tfm.plotting import write_png

SUMMARY = "summary.csv"
PROVENANCE = "provenance.json"
FIGURE = "summary.png"
OVERVIEW = (SUMMARY, PROVENANCE, FIGURE)
"""Files of the overview, in the folder of a batch."""


@dataclass(frozen=True)
class Overview:
    """The files about all experiments of a batch.

    Parameters
    ----------
    files : tuple of Path
        Those that were written.
    problems : tuple of str
        Why others could not be written, one sentence each.
    """

    files: tuple[Path, ...]
    problems: tuple[str, ...]


def check_overview(folder: str | Path, *, overwrite: bool = False) -> None:
    """Raise an error if the overview would replace a file of others.

    Parameters
    ----------
    folder : path
        Folder of the batch.
    overwrite : bool, keyword-only
        Whether files are replaced that no batch has written.

    Raises
    ------
    ConfigError
        If the folder has a file with the name of one of the overview, and is not that
        of a batch.
    FieldFileError
        If there is something of such a name that cannot be replaced.
    """
    written = [Path(folder) / name for name in OVERVIEW]
    is_own = overwrite or _is_of_batch(Path(folder))
    for path in written:
        if not path.exists():
            continue
        check_place(path)
        if not is_own:
            raise ConfigError(
                f"{path}: already exists, and is not of a batch: choose another folder "
                "for the results; on the command line, --overwrite replaces it"
            )


def _is_of_batch(folder: Path) -> bool:
    """Whether the folder is that of a batch, which may have had another table."""
    try:
        known = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(known, dict) and known.keys() == {"version", "experiments"}


def write_overview(folder: str | Path, outcomes: Sequence[Outcome]) -> Overview:
    """Write summary, provenance and figure of a batch.

    A file that cannot be written, for example because it is open in Excel, does not
    keep the others from being written. Without a provenance, the others would not be
    known as those of a batch, so they are not written.

    Parameters
    ----------
    folder : path
        Folder of the batch.
    outcomes : sequence of Outcome
        Outcomes in the order of the experiments.

    Returns
    -------
    Overview
    """
    written: dict[str, Path] = {}
    problems: list[str] = []
    # The provenance says that the folder is that of a batch, so it comes first.
    for name in sorted(_WRITERS, key=PROVENANCE.__ne__):
        try:
            with errors_about(Path(folder) / name):
                path = _WRITERS[name](Path(folder), outcomes)
        except FieldFileError as error:
            problems.append(str(error))
            if name == PROVENANCE and not _is_of_batch(Path(folder)):
                break
        else:
            written |= {} if path is None else {name: path}
    files = tuple(written[name] for name in _WRITERS if name in written)
    return Overview(files, tuple(problems))


def write_summary(folder: Path, outcomes: Sequence[Outcome]) -> Path:
    """Join the quantities of all experiments in one table.

    Parameters
    ----------
    folder : Path
        Folder of the batch. The table is ``summary.csv`` in it.
    outcomes : sequence of Outcome
        Outcomes in the order of the experiments. Those that failed have no rows.

    Returns
    -------
    Path
        The table: one row for each experiment, frame and cell, with the columns of the
        table of experiments that are carried through. Columns of other units have
        other names, and are empty where they do not apply.
    """
    rows = summary_rows(folder, outcomes)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    # Flags come last, as in the table of one experiment.
    if "flags" in columns:
        columns.remove("flags")
        columns.append("flags")
    path = folder / SUMMARY
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        writer.writerow({name: for_spreadsheet(name) for name in columns})
        for row in rows:
            writer.writerow({name: for_spreadsheet(row[name]) for name in row})
    return path


def summary_rows(folder: Path, outcomes: Sequence[Outcome]) -> list[dict[str, str]]:
    """The rows of the summary, by the names of their columns.

    Parameters
    ----------
    folder, outcomes
        As for `write_summary`.
    """
    return [row for outcome in outcomes for row in _rows(folder, outcome)]


def _rows(folder: Path, outcome: Outcome) -> list[dict[str, str]]:
    if outcome.error:
        return []
    about = {"experiment": outcome.experiment.name, **outcome.experiment.labels}
    table = folder / outcome.experiment.name / QUANTITIES
    with table.open(newline="", encoding="utf-8") as stream:
        return [about | row for row in csv.DictReader(stream)]


def write_provenance(folder: Path, outcomes: Sequence[Outcome]) -> Path:
    """Write what was done with every experiment, or why it failed.

    Parameters
    ----------
    folder : Path
        Folder of the batch. The file is ``provenance.json`` in it.
    outcomes : sequence of Outcome
        Outcomes in the order of the experiments.

    Returns
    -------
    Path
        The file.
    """
    experiments: list[dict[str, Any]] = []
    for outcome in outcomes:
        experiment = outcome.experiment
        about: dict[str, Any] = {
            "experiment": experiment.name,
            "labels": dict(experiment.labels),
        }
        if outcome.error:
            about |= {"file": str(experiment.file), "error": outcome.error}
        experiments.append({**about, **outcome.record})
    path = folder / PROVENANCE
    text = json.dumps({"version": __version__, "experiments": experiments}, indent=1)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return path


def write_figure(folder: Path, outcomes: Sequence[Outcome]) -> Path | None:
    """Draw the summary with `draw_summary`, if it has any rows.

    Parameters
    ----------
    folder : Path
        Folder of the batch. The figure is ``summary.png`` in it.
    outcomes : sequence of Outcome
        Outcomes in the order of the experiments.

    Returns
    -------
    Path or None
        The figure. Without rows there is none, and an earlier one is removed.
    """
    path = folder / FIGURE
    figure = draw_summary(summary_rows(folder, outcomes))
    if figure is None:
        path.unlink(missing_ok=True)
        return None
    write_png(path, figure)
    return path


_WRITERS = {SUMMARY: write_summary, PROVENANCE: write_provenance, FIGURE: write_figure}
