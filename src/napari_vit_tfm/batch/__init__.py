"""Many experiments: their results, one summary, and what was done.

`read_experiments` reads the table of experiments, and `run_batch` analyses them one
after the other or in several processes. Finished experiments are not computed again.
"""

from napari_vit_tfm.batch.experiments import Experiment, read_experiments
from napari_vit_tfm.batch.figure import draw_summary
from napari_vit_tfm.batch.outcome import Outcome
from napari_vit_tfm.batch.run import Settings, run_batch
from napari_vit_tfm.batch.summary import write_provenance, write_summary

__all__ = [
    "Experiment",
    "Outcome",
    "Settings",
    "draw_summary",
    "read_experiments",
    "run_batch",
    "write_provenance",
    "write_summary",
]
