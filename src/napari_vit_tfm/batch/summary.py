"""The summary of a batch, and what was done."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_vit_tfm import __version__
from napari_vit_tfm.batch.outcome import Outcome
from napari_vit_tfm.batch.run import QUANTITIES
from napari_vit_tfm.io.writing import replacing

SUMMARY = "summary.csv"
PROVENANCE = "provenance.json"


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
    rows = [row for outcome in outcomes for row in _rows(folder, outcome)]
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
        writer.writeheader()
        writer.writerows(rows)
    return path


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
