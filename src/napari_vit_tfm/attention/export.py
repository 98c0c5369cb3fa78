"""Write the results for a patch to a file.

The file holds everything that a figure needs, so that the figure can be drawn
again without the network and without the displacement file.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy.typing as npt

from napari_vit_tfm import __version__
from napari_vit_tfm.attention.faithfulness import Faithfulness
from napari_vit_tfm.attention.frame import MapChoice
from napari_vit_tfm.attention.overlay import overlay
from napari_vit_tfm.attention.patch import CHOSEN, PatchFindings
from napari_vit_tfm.displacement.preparation import options_in_use
from napari_vit_tfm.io import Maker, write_arrays


def write_findings(
    path: str | os.PathLike[str],
    findings: PatchFindings,
    *,
    maker: Maker | None = None,
) -> None:
    """Write everything that is needed to draw a patch's maps again.

    Parameters
    ----------
    path : path
        The file, with extension .h5, .hdf5 or .npz; an existing file is replaced.
    findings : PatchFindings
        The results; `docs/files.md` lists the arrays and attributes.
    maker : Maker, keyword-only, optional
        The command that computed them, which is written into the file.

    Raises
    ------
    FieldFileError
        If the extension is not supported, or the file cannot be written.
    """
    arrays: dict[str, npt.ArrayLike] = {"displacement": findings.frame.displacement}
    attributes: dict[str, dict[str, Any]] = {
        "": {
            **_file_attributes(findings),
            **({} if maker is None else maker.attributes(Path(path).parent)),
        },
        "displacement": {
            "units": findings.frame.field.unit,
            "longest": findings.frame.longest,
        },
    }
    is_displacement = findings.view.kind == "displacement"
    units = findings.frame.field.unit if is_displacement else "1"
    overlay_attributes = {"units": units, "kind": findings.view.kind}
    if findings.attention is not None:
        arrays |= _attention_arrays(findings)
        attributes["overlay"] = overlay_attributes
        attributes[""] |= _choice_attributes(findings)
    for name, map_ in findings.evidence.items():
        arrays[name] = map_
        arrays[f"{name}_overlay"] = overlay(
            map_,
            findings.frame.displacement,
            grid=findings.frame.grid,
            kind=findings.view.kind,
        )
        attributes[f"{name}_overlay"] = overlay_attributes
        if findings.attention is not None:
            arrays[f"{name}_correlation"] = findings.correlations(map_)
    if findings.effects is not None:
        arrays["knockout_blocks"] = findings.effects.blocks
        arrays["knockout_heads"] = findings.effects.heads
        attributes["knockout"] = {
            "units": "1",
            "traction_rms": findings.effects.traction_rms,
            "strength": findings.effects.strength,
        }
    if findings.faithfulness is not None:
        arrays |= _faithfulness_arrays(findings.faithfulness)
        attributes["faithfulness"] = {
            "advantage": findings.faithfulness.advantage(CHOSEN),
            "spread": findings.faithfulness.spread,
            "strength": findings.faithfulness.strength,
        }
    write_arrays(path, arrays, attributes)


def _file_attributes(findings: PatchFindings) -> dict[str, Any]:
    spacing_um = findings.frame.field.spacing_um
    gel = findings.frame.substrate.gel
    return {
        "frame": findings.frame.index,
        "patch_row": findings.patch[0],
        "patch_column": findings.patch[1],
        "shown": findings.view.evidence or "map",
        "scale": findings.view.scale,
        "patch_size": findings.frame.grid.patch_size,
        "model_rows": findings.frame.grid.shape[0],
        "model_columns": findings.frame.grid.shape[1],
        "spacing_um": math.nan if spacing_um is None else spacing_um,
        "poisson": gel.poisson,
        "thickness_um": gel.thickness_um,
        "model": findings.frame.model,
        "model_sha256": findings.frame.method.sha256,
        "version": __version__,
        **options_in_use(findings.frame.preparation),
    }


def _choice_attributes(findings: PatchFindings) -> dict[str, Any]:
    head = findings.view.choice.head
    return {
        "block_index": findings.view.block,
        "source": findings.view.choice.source,
        "direction": findings.view.choice.direction,
        "head_index": -1 if head is None else head,
    }


def _attention_arrays(findings: PatchFindings) -> dict[str, npt.ArrayLike]:
    """Rollout and attention of the patch in every block, and the chosen overlay."""
    attention, choice = findings.attention, findings.view.choice
    assert attention is not None
    rollout = MapChoice(direction=choice.direction)
    heads = [
        MapChoice("attention", head, choice.direction)
        for head in range(attention.n_heads)
    ]
    patch, blocks = findings.patch, findings.blocks
    return {
        "rollout": [attention.map(b, *patch, choice=rollout) for b in blocks],
        "attention": [
            [attention.map(b, *patch, choice=head) for head in heads] for b in blocks
        ],
        "overlay": [
            attention.overlay(b, *patch, kind=findings.view.kind, choice=choice)
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
