"""`Progress` of an experiment, and its `Outcome`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_vit_tfm.batch.experiments import Experiment


@dataclass(frozen=True)
class Progress:
    """How far the analysis of an experiment is.

    Parameters
    ----------
    experiment : Experiment
        The experiment.
    n_done : int
        Number of frames that are done.
    n_frames : int
        Number of all frames; 0 as long as the file has not been opened.
    """

    experiment: Experiment
    n_done: int
    n_frames: int


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


def outcome_of(future: Any, experiment: Experiment) -> Outcome:
    """The outcome of a finished task; an experiment whose worker died has failed.

    Parameters
    ----------
    future : Future
        The task, of the standard library or of Dask.
    experiment : Experiment
        Its experiment.
    """
    failure = future.exception()
    if failure is None:
        found: Outcome = future.result()
        return found
    return Outcome(experiment, {}, error=f"{type(failure).__name__}: {failure}")
