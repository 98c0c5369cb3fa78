"""The examination of displacements, alone or with their tractions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.displacement.axes import AxesFit, fit_axes
from napari_vit_tfm.displacement.checks import check_frame
from napari_vit_tfm.displacement.findings import LEAST_CORRELATION, Known, findings
from napari_vit_tfm.displacement.frame_diagnosis import (
    SMALLEST_GRID,
    FrameDiagnosis,
    diagnose,
)
from napari_vit_tfm.displacement.holes import bridge
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import Displacement, FloatArray, TractionStack
from napari_vit_tfm.physics.halfspace import REFERENCE_RESPONSE, Response
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.physics.tikhonov import (
    choose_regularisation,
    fttc,
    periodic_component,
)
from napari_vit_tfm.units import unit_label

_STRONG_TRACTION = 0.2
"""Tractions above this share of the largest count for the moment."""


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What was found in displacements.

    Parameters
    ----------
    n_frames : int
        Number of frames.
    grid_shape : tuple of int
        Rows and columns.
    y : str, optional
        Direction of the second axis in the file, as far as the reader tells it.
    known : Known
        Unit, lengths and gel.
    frames : tuple of FrameDiagnosis
        What was found in each frame.
    """

    n_frames: int
    grid_shape: tuple[int, int]
    y: str | None
    known: Known
    frames: tuple[FrameDiagnosis, ...]

    @property
    def warnings(self) -> list[str]:
        """Sentences about what is unusual; empty where all is well."""
        return list(findings(dict(enumerate(self.frames)), self.known).values())

    def measured_in_words(self) -> list[str]:
        """Drift, noise and numbers of vectors that are not used, one per line."""
        label = unit_label(self.known.unit)
        if self.known.unit is None:
            label = f"({label})"
        drift = max(float(np.hypot(*frame.drift)) for frame in self.frames)
        lines = [f"drift: up to {drift:.3g} {label}"]
        noise = [frame.noise for frame in self.frames if frame.noise is not None]
        size = f"up to {max(noise):.3g} {label}" if noise else "unknown"
        lines.append(f"noise: {size}")
        for name in ("holes", "outliers", "marks", "zeros"):
            total = sum(getattr(frame, name) for frame in self.frames)
            if total:
                lines.append(f"{name}: {total} of {self._n_vectors} vectors")
        return lines

    @property
    def _n_vectors(self) -> int:
        return sum(frame.n_vectors for frame in self.frames)

    def as_json(self) -> dict[str, Any]:
        """Plain values of ``vit-tfm info --json``.

        Returns
        -------
        dict
            ``frames``, ``grid``, ``unit``, ``spacing_um``, ``pixel_size_um``, ``y``
            and ``warnings``; and for each frame in lists ``holes``, ``outliers``,
            ``marks``, ``zeros`` (numbers), ``drift`` (x, y) and ``noise`` (grid steps,
            None if they are not known).
        """
        steps = self.known.steps_per_unit

        def in_steps(value: float | None) -> float | None:
            return None if steps is None or value is None else value * steps

        return {
            "frames": self.n_frames,
            "grid": list(self.grid_shape),
            "unit": self.known.unit,
            "spacing_um": self.known.spacing_um,
            "pixel_size_um": self.known.pixel_size_um,
            "y": self.y,
            "holes": [frame.holes for frame in self.frames],
            "outliers": [frame.outliers for frame in self.frames],
            "marks": [frame.marks for frame in self.frames],
            "zeros": [frame.zeros for frame in self.frames],
            "drift": [
                [in_steps(part) for part in frame.drift] for frame in self.frames
            ],
            "noise": [in_steps(frame.noise) for frame in self.frames],
            "warnings": self.warnings,
        }


def examine(
    displacement: Displacement, traction: TractionStack | None = None
) -> Diagnosis:
    """Examine displacements, frame by frame.

    Parameters
    ----------
    displacement : DisplacementStack or DisplacementStream
        Measured displacements. Vectors that are NaN or infinite are holes.
    traction : TractionStack, optional
        Tractions of the same frames, for the signs of their moment and work, and for
        their axes. Without them, the moment is that of FTTC.

    Returns
    -------
    Diagnosis

    Raises
    ------
    FieldError
        If the tractions have another grid or number of frames.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import DisplacementStack
    >>> from napari_vit_tfm.displacement import examine
    >>> from napari_vit_tfm.synthesis import CellDistribution, synthesise
    >>> cell = synthesise(1, seed=0, shape=(64, 64), distribution=CellDistribution())
    >>> measured = cell.displacement.copy()
    >>> measured[0, 4, 9] *= -20
    >>> diagnosis = examine(DisplacementStack(measured, unit="field"))
    >>> diagnosis.frames[0].outliers
    1
    >>> print(diagnosis.warnings[0])  # doctest: +ELLIPSIS
    1 vector in frame 0 is unlike its neighbours; the strongest at row 4, column 9...
    """
    if traction is not None and (
        (traction.n_frames, *traction.grid_shape)
        != (displacement.n_frames, *displacement.grid_shape)
    ):
        raise FieldError("tractions and displacements differ in frames or grid")
    frames = []
    for number in range(displacement.n_frames):
        checks = check_frame(displacement.frames(number, number + 1)[0])
        clean = bridge(checks.usable)
        found = diagnose(checks, clean)
        if traction is None:
            of_frame = _quick_traction(clean)
        else:
            of_frame = traction.data[number]
            fit = fit_axes(clean, of_frame, response=_response(displacement, traction))
            found = replace(
                found,
                work=_work(clean, of_frame),
                fit=fit,
                scale=_scale(displacement, traction, fit),
            )
        frames.append(replace(found, contraction=contraction(of_frame)))
    return Diagnosis(
        displacement.n_frames,
        displacement.grid_shape,
        displacement.metadata.get("y"),
        Known.about(displacement),
        tuple(frames),
    )


def contraction(traction: npt.NDArray[np.floating]) -> float:
    """Moment of tractions about their centre, relative to its largest possible value.

    Parameters
    ----------
    traction : array of shape (H, W, 2)
        Tractions in any unit; NaN is left out, and so are weak tractions.

    Returns
    -------
    float
        From -1, if all point away from their centre, to 1, if all point towards it.
    """
    t = np.nan_to_num(np.asarray(traction, dtype=np.float64))
    size = np.hypot(t[..., 0], t[..., 1])
    strong = size > _STRONG_TRACTION * size.max()
    if not strong.any():
        return 0.0
    row, column = np.nonzero(strong)
    size, t = size[strong], t[strong]
    share = size / size.sum()
    t = t - share[:, None] * t.sum(axis=0)
    x, y = column - (share * column).sum(), row - (share * row).sum()
    largest = (np.hypot(x, y) * size).sum()
    moment = -(x * t[:, 0] + y * t[:, 1]).sum()
    return float(moment / largest) if largest > 0 else 0.0


def _quick_traction(clean: FloatArray) -> FloatArray:
    """Tractions by FTTC, in any unit; zero for fields that are too small."""
    if min(clean.shape[:2]) < SMALLEST_GRID or not np.ptp(clean, axis=(0, 1)).any():
        return np.zeros_like(clean)
    x, y = np.moveaxis(clean.astype(np.float64), -1, 0)
    found = fttc(
        periodic_component(x),
        periodic_component(y),
        regularisation=choose_regularisation(x, y),
    )
    return np.stack(found, axis=-1).astype(np.float32)


def _work(clean: FloatArray, traction: npt.NDArray[np.floating]) -> float:
    """Work of tractions relative to its largest possible value.

    The mean of the displacement is subtracted, since a drift does no work.
    """
    t = np.nan_to_num(np.asarray(traction, dtype=np.float64))
    weight = np.hypot(t[..., 0], t[..., 1])
    if weight.sum() == 0:
        return 0.0
    u = clean - clean.mean(axis=(0, 1), dtype=np.float64)
    t = t - t.mean(axis=(0, 1))
    largest = (np.hypot(t[..., 0], t[..., 1]) * np.hypot(u[..., 0], u[..., 1])).sum()
    return float((t * u).sum() / largest) if largest > 0 else 0.0


def _scale(
    displacement: Displacement, traction: TractionStack, fit: AxesFit | None
) -> float | None:
    """Measured displacement over that of the tractions; None if it is not known."""
    young = displacement.gel.young_pa or traction.gel.young_pa
    if traction.unit != "Pa":
        young = 1.0
    if fit is None or young is None or fit.as_given < LEAST_CORRELATION:
        return None
    try:
        return fit.factor * young * displacement.grid_steps_per_unit()
    except FieldError:
        return None


def _response(displacement: Displacement, traction: TractionStack) -> Response:
    """Response of the gel, as far as the gel is known."""
    substrate = Substrate(displacement.gel.filled_from(traction.gel))
    spacing_um = displacement.spacing_um or traction.spacing_um
    if spacing_um is None and substrate.gel.is_layer:
        return REFERENCE_RESPONSE
    return substrate.response(spacing_um=spacing_um)
