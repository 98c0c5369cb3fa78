"""Numbers and names that are fixed, and the values that options may have."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

REFERENCE_POISSON = 0.49
"""Poisson ratio of the reference gel, which is almost incompressible."""

PATCH_SIZE = 8
"""Side of a patch, in vectors."""

MIN_SIDE = PATCH_SIZE
"""Fewest vectors along a side of a field, for networks."""

MIN_FOURIER_SIDE = 4
"""Fewest vectors along a side of a field, for FTTC."""

MIN_AUTOMATIC_SIDE = 12
"""Fewest vectors along a side with which FTTC chooses its regularisation reliably. In
smaller fields it can be so strong that hardly any traction is left."""

MAX_WHOLE_SIDE = 256
"""Most vectors along a side of a field that the bundled network processes whole."""

MOST_HOLES = 0.1
"""Largest share of holes in a frame of which tractions are computed."""

MOST_FILLED_HOLES = 0.5
"""The same if the tractions in holes are kept."""

BUNDLED_MODEL = "vit"
"""Name of the bundled network."""

BAYESIAN_FTTC = "bayesian-fttc"
"""Name of Bayesian FTTC. Networks are also compared with it alone."""

FIELD_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "discs": "discs of uniform traction, as in the original work",
        "adhesions": "elongated adhesions with tractions along their long axis",
        "cells": "contractile cells with many small adhesions and balanced forces",
        "pads": "smooth adhesions of all sizes with tractions in any direction",
        "fibres": "pairs of small spots that pull towards each other",
        "colony": "random continuous tractions inside cells of any shape",
        "band": "inward tractions in a continuous band along a cell's edge",
        "layer": "a confluent layer that extends beyond the border",
        "front": "a layer with a free edge, where the tractions are strongest",
        "spots": "point-like adhesions on top of a continuous traction",
        "mixture": "several of these kinds in one field",
    }
)
"""Kinds of synthetic fields, with descriptions."""

HELD_OUT = "all"
UNSEEN = "unseen"
FIELD_SETS: Mapping[str, str] = MappingProxyType(
    {
        HELD_OUT: "held-out fields of many kinds, which networks are not trained on",
        UNSEEN: "fields that nothing was fitted to, with displacements that are "
        "averages over interrogation windows",
    }
)
"""Sets of fields of many kinds, for a benchmark."""

ORACLE = "fttc-oracle"
"""Name of FTTC with the regularisation and border chosen with the known tractions."""

ORIGINAL_ENDINGS = (".pth", ".pt")

MODEL_ENDINGS = (".safetensors", *ORIGINAL_ENDINGS, ".h5", ".hdf5")
"""File endings of models."""

READING_OPTIONS = (
    "dataset",
    "unit",
    "spacing_um",
    "pixel_size_um",
    "y",
    "components_first",
    "allow_links",
)
"""Options of `read_displacement` that determine how a file is read. Those that were
given are in ``metadata["reading"]`` of the displacements."""

Device = Literal["auto", "cpu", "cuda", "mps"]

Precision = Literal["32", "bf16-mixed", "16-mixed"]

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
"""Precisions of the encoder blocks in training. Everything else is float32."""

YDirection = Literal["down", "up"]
"""Direction of the y axis in a file."""

CellRegion = Literal["field", "outline"]
"""Region of a cell without a mask."""

MapSource = Literal["rollout", "attention"]
"""Attention rollout up to a block, or the attention of the block alone."""

MapDirection = Literal["from", "to"]
"""Attention from a patch to all patches, or from all patches to a patch."""
