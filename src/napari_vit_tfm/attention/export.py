"""What is known about a patch, as a file.

Everything that a figure of it needs is in the file, so that it can be drawn
again without the network and without the displacement file.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy.typing as npt

from napari_vit_tfm import __version__
from napari_vit_tfm.attention.faithfulness import Faithfulness
from napari_vit_tfm.attention.frame import MapChoice
from napari_vit_tfm.attention.overlay import overlay
from napari_vit_tfm.attention.patch import CHOSEN, EVIDENCE, PatchFindings
from napari_vit_tfm.io import write_arrays


def write_findings(path: str | os.PathLike[str], findings: PatchFindings) -> None:
    """Write everything needed to draw a patch's maps again.

    Parameters
    ----------
    path : path
        The file, ending with .h5, .hdf5 or .npz; one of that name is replaced.
    findings : PatchFindings
        What to write; `docs/files.md` lists the arrays and attributes.

    Raises
    ------
    FieldFileError
        If the ending is another, or the file cannot be written.
    """
    arrays: dict[str, npt.ArrayLike] = {"displacement": findings.displacement}
    attributes: dict[str, dict[str, Any]] = {
        "": _of_file(findings),
        "displacement": {
            "units": findings.stack.unit,
            "longest": findings.stack.longest(),
        },
    }
    weighted = findings.kind == "displacement"
    units = findings.stack.unit if weighted else "1"
    of_overlay = {"units": units, "kind": findings.kind}
    if findings.attention is not None:
        arrays |= _attention_arrays(findings)
        attributes["overlay"] = of_overlay
        attributes[""] |= _of_choice(findings)
    for name in EVIDENCE:
        map_ = getattr(findings, name)
        if map_ is not None:
            arrays[name] = map_
            arrays[f"{name}_overlay"] = overlay(
                map_, findings.displacement, grid=findings.grid, kind=findings.kind
            )
            attributes[f"{name}_overlay"] = of_overlay
            if findings.attention is not None:
                arrays[f"{name}_correlation"] = findings.correlations(map_)
    if findings.faithfulness is not None:
        arrays |= _faithfulness_arrays(findings.faithfulness)
        attributes["faithfulness"] = {
            "advantage": findings.faithfulness.advantage(CHOSEN),
            "spread": findings.faithfulness.spread,
            "strength": findings.faithfulness.strength,
        }
    write_arrays(path, arrays, attributes)


def _of_file(findings: PatchFindings) -> dict[str, Any]:
    spacing_um = findings.stack.spacing_um
    gel = findings.substrate.gel
    return {
        "frame": findings.frame,
        "patch_row": findings.patch[0],
        "patch_column": findings.patch[1],
        "shown": findings.evidence or "map",
        "scale": findings.scale,
        "patch_size": findings.grid.patch_size,
        "model_rows": findings.grid.shape[0],
        "model_columns": findings.grid.shape[1],
        "spacing_um": math.nan if spacing_um is None else spacing_um,
        "poisson": gel.poisson,
        "thickness_um": gel.thickness_um,
        "model": findings.model,
        "model_sha256": findings.model_sha256,
        "version": __version__,
    }


def _of_choice(findings: PatchFindings) -> dict[str, Any]:
    head = findings.choice.head
    return {
        "block_index": findings.block,
        "source": findings.choice.source,
        "direction": findings.choice.direction,
        "head_index": -1 if head is None else head,
    }


def _attention_arrays(findings: PatchFindings) -> dict[str, npt.ArrayLike]:
    """Every block's rollout and attention of the patch, and the chosen overlay."""
    attention, choice = findings.attention, findings.choice
    assert attention is not None
    of_rollout = MapChoice(direction=choice.direction)
    of_heads = [
        MapChoice("attention", head, choice.direction)
        for head in range(attention.n_heads)
    ]
    patch, blocks = findings.patch, findings.blocks
    return {
        "rollout": [attention.map(b, *patch, choice=of_rollout) for b in blocks],
        "attention": [
            [attention.map(b, *patch, choice=head) for head in of_heads] for b in blocks
        ],
        "overlay": [
            attention.overlay(b, *patch, kind=findings.kind, choice=choice)
            for b in blocks
        ],
    }


def _faithfulness_arrays(found: Faithfulness) -> dict[str, npt.ArrayLike]:
    others = {
        f"faithfulness_{name}": changes
        for name, changes in found.changes.items()
        if name != CHOSEN
    }
    return {
        "faithfulness": found.changes[CHOSEN],
        "faithfulness_share": found.shares,
        "faithfulness_random": found.random,
        **others,
    }
