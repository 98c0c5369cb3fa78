"""`Outcome`: what became of an experiment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_vit_tfm.batch.experiments import Experiment


@dataclass(frozen=True)
class Outcome:
    """What became of an experiment.

    Parameters
    ----------
    experiment : Experiment
        The experiment.
    record : dict
        What was done: input, hashes, parameters, versions, notes; empty if it failed.
    error : str
        Why it failed; empty if it did not.
    was_done : bool
        Whether its results were there already.
    """

    experiment: Experiment
    record: dict[str, Any]
    error: str = ""
    was_done: bool = False
