"""Damaged and borderline files, made by a script, and what is expected of each.

`case` defines a case; the other modules add those of the formats. `runner` reads every
file in a child process (`child`) and watches what it opens, and how long it takes.
"""

from corpus import (
    hdf5_files,
    images,
    matlab_files,
    models,
    numpy_files,
    places,
    settings,
    tables,
)
from corpus.case import CASES, Case, Either, Expected, Reads, Refuses

__all__ = [
    "CASES",
    "Case",
    "Either",
    "Expected",
    "Reads",
    "Refuses",
    "hdf5_files",
    "images",
    "matlab_files",
    "models",
    "numpy_files",
    "places",
    "settings",
    "tables",
]
