"""HDF5 files of pytraction: groups with one dataset per frame."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from textwrap import shorten

import h5py
import numpy as np

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.guard.hdf5 import (
    check_chunks,
    check_numbers,
    check_written,
    unwritten_frames,
)
from napari_vit_tfm.guard.links import is_elsewhere
from napari_vit_tfm.io.base import (
    MIN_SIDE,
    POSITIONS_PX,
    AnyArray,
    ArrayEntry,
    Attributes,
    unless_given,
)
from napari_vit_tfm.io.positioned import PositionedField

_POSITIONS, _VECTORS, _TRACTIONS = "pos", "vec", "force_field"
_METADATA = "metadata"

_DOWN_NOTE = (
    "the tractions belong to the displacements if y of force_field points down, which "
    f"is assumed ({unless_given('up')})"
)

_NUMBER = re.compile(
    r"[(\[]?\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*,?\s*[)\]]?"
)
"""A number as text, also as Python writes a list of one number: ``(8000,)``."""

_UNKNOWN = ("", "none", "nan")


@dataclass(frozen=True, eq=False)
class PytractionResults:
    """Displacements and tractions in a file of pytraction.

    Datasets ``pos/i`` and ``vec/i`` ``(2, N)`` are the positions and displacements of
    frame ``i`` in pixels, and ``force_field/i`` ``(X, Y, 2)`` are tractions in Pa.
    y is counted upwards in all of them. In some files it is counted downwards in the
    tractions: this is found by the work of the tractions on the displacements.

    Parameters
    ----------
    path : Path
        The file, for messages.
    frames : mapping of str to mapping
        The datasets of the frames in each group, by the name of the frame, in the
        order of their numbers.
    attributes : mapping
        Attributes of ``metadata``.
    """

    path: Path
    frames: Mapping[str, Mapping[str, h5py.Dataset]]
    attributes: Attributes

    @classmethod
    def found_in(
        cls, path: Path, file: h5py.File, datasets: Mapping[str, h5py.Dataset]
    ) -> PytractionResults | None:
        """The results; None if the file is of another program.

        Parameters
        ----------
        path : Path
            The file, for messages.
        file : h5py.File
            The open file.
        datasets : mapping of str to h5py.Dataset
            All its datasets, by name.
        """
        frames = {
            name: _frames(name, datasets) for name in (_POSITIONS, _VECTORS, _TRACTIONS)
        }
        if not all(_has_columns(frames[name]) for name in (_POSITIONS, _VECTORS)):
            return None
        metadata = file.get(_METADATA)
        return cls(path, frames, {} if metadata is None else metadata.attrs)

    def entries(self) -> tuple[ArrayEntry, ...]:
        """Headers of the displacements, and of the tractions if there are any."""
        displacement = self._displacement.entry
        if not self.frames[_TRACTIONS]:
            return (displacement,)
        return displacement, self._traction_entry()

    def values(self, name: str, frames: slice | None) -> AnyArray:
        """Frames ``(T, H, W, 2)`` of one of the two, the smallest y first."""
        if name == _VECTORS:
            return self._displacement.values(frames)
        names = list(self.frames[_TRACTIONS])[frames or slice(None)]
        return np.stack(
            [self._values(_TRACTIONS, name).transpose(1, 0, 2) for name in names]
        )

    def _values(self, group: str, name: str) -> AnyArray:
        """Values of a frame, all of which must have been written."""
        dataset = self.frames[group][name]
        if not is_elsewhere(dataset):
            check_written(self.path, f"{group}/{name}", dataset)
            check_chunks(self.path, f"{group}/{name}", dataset)
            if unwritten_frames(dataset):
                raise FieldFileError(
                    f"{self.path}: {group}/{name} was not completely written: the "
                    "program that made the file did not finish it"
                )
        check_numbers(self.path, f"{group}/{name}", dataset)
        return np.asarray(dataset[...])

    @cached_property
    def _displacement(self) -> PositionedField:
        positions, vectors = self.frames[_POSITIONS], self.frames[_VECTORS]
        if positions.keys() != vectors.keys():
            lacking = sorted(positions.keys() ^ vectors.keys())
            raise FieldFileError(
                f"{self.path}: the groups {_POSITIONS} and {_VECTORS} have different "
                f"frames: one of them lacks {', '.join(lacking[:3])}"
                f"{' and others' if len(lacking) > 3 else ''}; expected both of every "
                "frame"
            )
        return PositionedField.of(
            _VECTORS,
            *(
                [self._values(group, name).T for name in positions]
                for group in (_POSITIONS, _VECTORS)
            ),
            kind="displacement",
            unit="px",
            position_unit="px",
            y="up",
            notes=_gap_note(list(vectors)),
            attributes=self._metadata,
        )

    def _traction_entry(self) -> ArrayEntry:
        datasets = self.frames[_TRACTIONS].values()
        shapes = {dataset.shape for dataset in datasets}
        types = {dataset.dtype for dataset in datasets}
        shape = shapes.pop()
        is_field = len(shape) == 3 and shape[2] == 2 and min(shape[:2]) >= MIN_SIDE
        has_numbers = all(dtype.kind == "f" for dtype in types)
        if shapes or not is_field or not has_numbers:
            return ArrayEntry(
                _TRACTIONS, (len(datasets),), "group", kind="traction", layout=None
            )
        is_up = self._is_up(self.values(_TRACTIONS, slice(0, 1))[0])
        grid = self._displacement.grid
        step = self._number("meshsize")
        if step is None and shape[1::-1] == grid.shape:
            step = grid.step
        return ArrayEntry(
            _TRACTIONS,
            (len(datasets), shape[1], shape[0], 2),
            next(iter(datasets)).dtype.name,
            layout="(T, H, W, 2)",
            kind="traction",
            y="up" if is_up else "down",
            y_notes=() if is_up else (_DOWN_NOTE,),
            attributes={"units": "Pa", POSITIONS_PX: step, **self._metadata},
        )

    def _is_up(self, traction: AnyArray) -> bool:
        """Whether y is counted upwards in tractions ``(H, W, 2)`` of the first frame.

        Tractions do work on the displacements that they cause. It is larger than the
        work on their mirror image.
        """
        displacement = self._displacement.values(slice(0, 1))[0]
        nodes = np.ix_(
            *(
                np.linspace(0, side - 1, number).round().astype(int)
                for side, number in zip(
                    displacement.shape[:2], traction.shape[:2], strict=True
                )
            )
        )
        at_nodes = displacement[nodes]
        at_nodes -= np.nanmean(at_nodes, axis=(0, 1))
        mirrored = traction[::-1] * (1, -1)
        return bool(np.nansum(traction * at_nodes) >= np.nansum(mirrored * at_nodes))

    @cached_property
    def _metadata(self) -> dict[str, float]:
        """Gel and pixel size according to the attributes of `metadata`."""
        per_um = self._number("pix_per_mu")
        if per_um == 0:
            raise FieldFileError(
                f"{self.path}: {_METADATA} has pix_per_mu = 0, expected the number of "
                "pixels in a micrometre"
            )
        values = {
            "young_pa": self._number("E"),
            "poisson": self._number("s"),
            "pixel_size_um": None if per_um is None else 1 / per_um,
        }
        return {name: value for name, value in values.items() if value is not None}

    def _number(self, name: str) -> float | None:
        """A number of `metadata`, which may be text such as ``(8000,)``.

        None if it is not there, NaN or ``None``. What is not one number is an error: a
        part of it, such as the 8 of "8,000" or "8 kPa", would be a wrong number.
        """
        value = self.attributes.get(name)
        if isinstance(value, h5py.Empty):
            return None
        if isinstance(value, np.void):
            value = value.tobytes()
        if isinstance(value, np.ndarray) and value.size == 1:
            value = value.item()
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        if isinstance(value, int | float | np.integer | np.floating):
            if isinstance(value, bool):
                raise self._no_number(name, value)
            return None if np.isnan(value) else float(value)
        if value is None:
            return None
        text = value.strip("\0 \n") if isinstance(value, str) else repr(value)
        if text.lower() in _UNKNOWN:
            return None
        found = _NUMBER.fullmatch(text)
        if found is None:
            raise self._no_number(name, text)
        return float(found[1])

    def _no_number(self, name: str, value: object) -> FieldFileError:
        return FieldFileError(
            f"{self.path}: {_METADATA} has {name} = {shorten(str(value), 40)}, "
            "expected one number"
        )


def _has_columns(frames: Mapping[str, h5py.Dataset]) -> bool:
    """Whether the datasets of all frames have two rows, one for each component."""
    return bool(frames) and all(
        dataset.ndim == 2 and dataset.shape[0] == 2 for dataset in frames.values()
    )


def _gap_note(names: Sequence[str]) -> tuple[str, ...]:
    """A note if frames are missing between others, by their names in order."""
    first, last = names[0], names[-1]
    # Python refuses to convert thousands of digits.
    is_long = len(last) > 18
    if not is_long and int(last) - int(first) + 1 == len(names):
        return ()
    return (
        f"the frames are not consecutive: {len(names)} frames from {first:.18} to "
        f"{last:.18} are read one after the other",
    )


def _frames(
    group: str, datasets: Mapping[str, h5py.Dataset]
) -> dict[str, h5py.Dataset]:
    """The datasets of the frames in a group, in the order of their numbers."""
    found = {
        name: dataset
        for (before, _, name), dataset in (
            (path.rpartition("/"), dataset) for path, dataset in datasets.items()
        )
        if before == group and name.isdecimal()
    }
    # Python refuses to convert thousands of digits.
    return dict(
        sorted(found.items(), key=lambda item: (len(item[0].lstrip("0")), item[0]))
    )
