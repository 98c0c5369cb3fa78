"""Displacement fields whose tractions are known, made or read."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.cli.options import DisplacementSource
from napari_vit_tfm.cli.reporting import gel_in_words
from napari_vit_tfm.errors import ConfigError, FieldError
from napari_vit_tfm.gel import Gel

if TYPE_CHECKING:
    from napari_vit_tfm.fields import DisplacementStack, TractionStack
    from napari_vit_tfm.io import FieldFile
    from napari_vit_tfm.physics.substrate import Substrate


@dataclass(frozen=True, eq=False)
class KnownFields:
    """Displacements with what is known about them.

    Parameters
    ----------
    displacement : DisplacementStack
        Clean, with a unit.
    truth : TractionStack
        Their tractions.
    segmentation : array of whole numbers, shape (N, H, W), optional
        The patches' numbers; None where the file has none.
    substrate : Substrate
        The gel.
    description : str
        Where they come from, in words.
    """

    displacement: DisplacementStack
    truth: TractionStack
    segmentation: npt.NDArray[np.integer] | None
    substrate: Substrate
    description: str

    def first(self, n: int) -> KnownFields:
        """The first `n` fields, or all where there are fewer."""
        labels = self.segmentation
        return replace(
            self,
            displacement=replace(self.displacement, data=self.displacement.data[:n]),
            truth=self.truth.first(n),
            segmentation=None if labels is None else labels[:n],
            description=f"the first {n} of {self.description}"
            if n < self.truth.n_frames
            else self.description,
        )


def make_fields(kind: str, n: int, seed: int) -> KnownFields:
    """Draw fields, as ``vit-tfm synthesize`` does."""
    from napari_vit_tfm.fields import DisplacementStack, TractionStack
    from napari_vit_tfm.physics.substrate import Substrate
    from napari_vit_tfm.synthesis import KINDS, synthesise

    made = synthesise(n, seed=seed, distribution=KINDS[kind]())
    return KnownFields(
        DisplacementStack(made.displacement, unit="field"),
        TractionStack(made.traction),
        made.segmentation,
        Substrate(),
        f"{_counted(n)} of {kind}, made with seed {seed}",
    )


def read_fields(
    data: DisplacementSource,
    truth: Path | None,
    *,
    gel: Gel,
) -> KnownFields:
    """Read fields; what is not said is what the file says, or the reference form.

    Parameters
    ----------
    data : DisplacementSource
        The displacements, in a file with the tractions and the segmentation.
    truth : Path, optional
        Another file, with the tractions and the segmentation.
    gel : Gel, keyword-only
        What the user said about the gel.

    Raises
    ------
    FieldFileError
        If a file holds no such field.
    ConfigError
        If a length, a unit or Young's modulus is missing.
    FieldError
        If displacements and tractions differ in shape.
    """
    from napari_vit_tfm.io import open_field_file

    (path,) = data.paths
    with ExitStack() as files:
        displacements = files.enter_context(open_field_file(path))
        tractions = (
            displacements
            if truth is None
            else files.enter_context(open_field_file(truth))
        )
        return _read_open(data, displacements, tractions, gel)


def _read_open(
    data: DisplacementSource, displacements: FieldFile, tractions: FieldFile, gel: Gel
) -> KnownFields:
    from napari_vit_tfm.io import read_segmentation, read_traction
    from napari_vit_tfm.physics.substrate import Substrate

    named = _names_the_unit(tractions, "traction")
    known = read_traction(tractions, unit=None if named else "1")
    substrate = Substrate(gel.filled_from(known.gel))
    if known.unit == "Pa" and substrate.gel.young_pa is None:
        raise ConfigError(
            f"{tractions.path}: the tractions are in Pa: say Young's modulus with "
            "--young"
        )
    # Tractions without a unit come with displacements without one.
    if known.unit == "1" and not _names_the_unit(displacements, "displacement"):
        data = replace(data, unit=data.unit or "field")
    displacement = data.read(gel=substrate.gel, file=displacements)
    if displacement.data.shape != known.data.shape:
        raise FieldError(
            f"{tractions.path}: tractions of the shape {known.data.shape} do not "
            f"belong to displacements of the shape {displacement.data.shape}"
        )
    return KnownFields(
        displacement,
        known,
        read_segmentation(tractions),
        substrate,
        f"{_counted(known.n_frames)} of {displacements.path.name} "
        f"({gel_in_words(substrate)})",
    )


def _counted(n: int) -> str:
    return "1 field" if n == 1 else f"{n} fields"


def _names_the_unit(file: FieldFile, kind: Literal["displacement", "traction"]) -> bool:
    """Whether a file says what unit its field has, or is of a form that does."""
    from napari_vit_tfm.io import summarise

    summary = summarise(file)
    taken = summary.traction if kind == "traction" else summary.displacement
    for entry in summary.arrays:
        if entry.name == taken:
            return entry.original or "units" in entry.attributes
    # There is none, or no clear one: reading it says so.
    return True
