"""Displacement fields with known tractions, generated or read from files."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.cli.reporting import gel_in_words
from napari_vit_tfm.cli.source import DisplacementSource
from napari_vit_tfm.errors import ConfigError, FieldError
from napari_vit_tfm.gel import Gel

if TYPE_CHECKING:
    from napari_vit_tfm.fields import DisplacementStack, TractionStack
    from napari_vit_tfm.io import FieldFile
    from napari_vit_tfm.physics.substrate import Substrate


@dataclass(frozen=True, eq=False)
class KnownFields:
    """Displacements with known tractions.

    Parameters
    ----------
    displacement : DisplacementStack
        Displacements without noise, with a unit.
    truth : TractionStack
        The known tractions.
    segmentation : array of int, shape (N, H, W), optional
        Number of the patch at each node; None if the file has no segmentation.
    substrate : Substrate
        The gel.
    description : str
        Description of the fields, for reports.
    """

    displacement: DisplacementStack
    truth: TractionStack
    segmentation: npt.NDArray[np.integer] | None
    substrate: Substrate
    description: str

    def first(self, n: int) -> KnownFields:
        """The first `n` fields, or all if there are fewer."""
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


def generate_fields(kind: str, n: int, seed: int) -> KnownFields:
    """Generate fields, as ``vit-tfm synthesize`` does."""
    from napari_vit_tfm.fields import DisplacementStack, TractionStack
    from napari_vit_tfm.physics.substrate import Substrate
    from napari_vit_tfm.synthesis import KINDS, synthesise

    fields = synthesise(n, seed=seed, distribution=KINDS[kind]())
    return KnownFields(
        DisplacementStack(fields.displacement, unit="field"),
        TractionStack(fields.traction),
        fields.segmentation,
        Substrate(),
        f"{_n_fields(n)} of {kind}, generated with seed {seed}",
    )


def read_fields(
    data: DisplacementSource,
    truth: Path | None,
    *,
    gel: Gel,
) -> KnownFields:
    """Read fields from one or two files.

    Fields without a unit are in the reference form.

    Parameters
    ----------
    data : DisplacementSource
        The displacements. Without `truth` the file also holds the tractions and,
        optionally, a segmentation.
    truth : Path, optional
        File with the tractions and, optionally, a segmentation.
    gel : Gel, keyword-only
        Gel properties given by the user. Missing values are taken from the file.

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

    with ExitStack() as files:
        displacements = files.enter_context(open_field_file(data.path))
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

    has_unit = _has_unit(tractions, "traction")
    known = read_traction(tractions, unit=None if has_unit else "1")
    substrate = Substrate(gel.filled_from(known.gel))
    if known.unit == "Pa" and substrate.gel.young_pa is None:
        raise ConfigError(
            f"{tractions.path}: the tractions are in Pa: add Young's modulus with "
            "--young"
        )
    # Displacements without a unit are in the reference form if tractions are.
    if known.unit == "1" and not _has_unit(displacements, "displacement"):
        data = replace(data, unit=data.unit or "field")
    displacement = data.read(gel=substrate.gel, file=displacements)
    if displacement.data.shape != known.data.shape:
        raise FieldError(
            f"{tractions.path}: tractions of the shape {known.data.shape} do not "
            f"match displacements of the shape {displacement.data.shape}"
        )
    return KnownFields(
        displacement,
        known,
        read_segmentation(tractions),
        substrate,
        f"{_n_fields(known.n_frames)} of {displacements.path.name} "
        f"({gel_in_words(substrate)})",
    )


def _n_fields(n: int) -> str:
    return "1 field" if n == 1 else f"{n} fields"


def _has_unit(file: FieldFile, kind: Literal["displacement", "traction"]) -> bool:
    """Whether a file, or its format, specifies the unit of its field."""
    from napari_vit_tfm.io import summarise

    summary = summarise(file)
    taken = summary.traction if kind == "traction" else summary.displacement
    for entry in summary.arrays:
        if entry.name == taken:
            return entry.is_original or "units" in entry.attributes
    # The field is missing or ambiguous: reading it raises an error.
    return True
