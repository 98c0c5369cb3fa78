"""Many experiments: their results, one summary, and what was done.

`read_experiments` reads the table of experiments, `experiments_of` makes experiments of
files, and `run_batch` analyses them one after the other or in several processes.
Finished experiments are not computed again. `write_overview` writes what is known about
all of them.
"""

from napari_vit_tfm.batch.analysis import Settings
from napari_vit_tfm.batch.experiments import (
    Experiment,
    experiments_of,
    read_experiments,
)
from napari_vit_tfm.batch.figure import draw_summary
from napari_vit_tfm.batch.inputs import check_inputs
from napari_vit_tfm.batch.outcome import Outcome, Progress
from napari_vit_tfm.batch.run import iterate_batch, run_batch
from napari_vit_tfm.batch.summary import (
    Overview,
    check_overview,
    summary_rows,
    write_overview,
    write_provenance,
    write_summary,
)

__all__ = [
    "Experiment",
    "Outcome",
    "Overview",
    "Progress",
    "Settings",
    "check_inputs",
    "check_overview",
    "draw_summary",
    "experiments_of",
    "iterate_batch",
    "read_experiments",
    "run_batch",
    "summary_rows",
    "write_overview",
    "write_provenance",
    "write_summary",
]
