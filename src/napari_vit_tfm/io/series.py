"""Several files that are one series: their order, and what they have in common."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from napari_vit_tfm.errors import FieldError, FieldFileError
from napari_vit_tfm.fields import Displacement, FloatArray
from napari_vit_tfm.io.registry import PathLike


def natural_order(paths: Iterable[PathLike]) -> list[Path]:
    """Sort files by their names, and by the numbers in them as numbers.

    Raises
    ------
    FieldError
        If there are no files.

    Examples
    --------
    >>> from napari_vit_tfm.io.series import natural_order
    >>> [path.name for path in natural_order(["cell_10.h5", "cell_2.h5"])]
    ['cell_2.h5', 'cell_10.h5']
    """
    found = sorted(map(Path, paths), key=_natural_key)
    if not found:
        raise FieldError("there are no files in the series")
    return found


class Series:
    """What files of a series have in common; each is added in its turn."""

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.n_frames: list[int] = []
        self._first: Displacement | None = None
        self._outlines_agree = True

    def add(self, path: Path, displacement: Displacement) -> None:
        """Add a file.

        Raises
        ------
        FieldFileError
            If it differs from the first one in its grid, unit, lengths or gel.
        """
        if self._first is None:
            self._first = displacement
        expected = dict(_facts(self._first))
        for name, found in _facts(displacement):
            if not _same(found, expected[name]):
                raise FieldFileError(
                    f"{path}: {name}: found {found}, but {expected[name]} in "
                    f"{self.paths[0]}; files of one series have the same grid, unit, "
                    "lengths and gel"
                )
        self._outlines_agree &= _same_outline(self._first, displacement)
        self.paths.append(path)
        self.n_frames.append(displacement.n_frames)

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Rows and columns of all files."""
        assert self._first is not None
        return self._first.grid_shape

    def known(self, on_notice: Callable[[str], None] | None) -> dict[str, Any]:
        """What is known about all of it, by the names of `Displacement`'s fields."""
        assert self._first is not None
        known = {
            item.name: getattr(self._first, item.name)
            for item in dataclasses.fields(Displacement)
        }
        known["metadata"] = {
            **self._first.metadata,
            "source": [str(path) for path in self.paths],
        }
        if not self._outlines_agree:
            known["outline"] = None
            if on_notice is not None:
                on_notice(
                    f"{self.paths[0]} and the files after it: the outlines of the cell "
                    "differ; they are left out"
                )
        return known


class SeriesFrames:
    """A `FrameSource`: frames of several files, one of which is open at a time.

    Parameters
    ----------
    paths : list of Path
        The files, in their order.
    n_frames : list of int
        How many frames each has.
    grid_shape : tuple of int
        Rows and columns of all.
    open_file : callable
        Opens a file, for as long as a ``with`` block lasts.
    """

    def __init__(
        self,
        paths: list[Path],
        n_frames: list[int],
        grid_shape: tuple[int, int],
        open_file: Callable[[Path], AbstractContextManager[Displacement]],
    ) -> None:
        self.grid_shape = grid_shape
        self._paths = paths
        self._stops = np.cumsum(n_frames).tolist()
        self._open_file = open_file
        self._resources = ExitStack()
        self._at: int | None = None

    @property
    def n_frames(self) -> int:
        """Number of frames, ``T``, of all files together."""
        return int(self._stops[-1])

    def frames(self, start: int, stop: int) -> FloatArray:
        """Read frames from `start` to before `stop`, float32."""
        return np.concatenate(list(self._parts(start, stop)))

    def close(self) -> None:
        """Close the file that is open."""
        self._resources.close()

    def _parts(self, start: int, stop: int) -> Iterator[FloatArray]:
        first = 0
        for number, after in enumerate(self._stops):
            if start < after and first < stop:
                yield self._file(number).frames(
                    max(start, first) - first, min(stop, after) - first
                )
            first = after

    def _file(self, number: int) -> Displacement:
        if number != self._at:
            self._resources.close()
            self._displacement = self._resources.enter_context(
                self._open_file(self._paths[number])
            )
            self._at = number
        return self._displacement


def _natural_key(path: Path) -> tuple[list[tuple[bool, int, str]], str]:
    """A path's words and numbers; numbers come before words."""
    parts = [
        (False, int(part), "") if part.isdecimal() else (True, 0, part.lower())
        for part in re.split(r"(\d+)", str(path))
        if part
    ]
    return parts, str(path)


def _facts(displacement: Displacement) -> Iterator[tuple[str, Any]]:
    rows, columns = displacement.grid_shape
    gel = displacement.gel
    yield "vectors", f"{rows} x {columns}"
    yield "unit", displacement.unit
    yield "spacing in um", displacement.spacing_um
    yield "pixel size in um", displacement.pixel_size_um
    yield "Young's modulus in Pa", gel.young_pa
    yield "Poisson ratio", gel.poisson
    yield "thickness of the gel in um", gel.thickness_um


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6)
    return bool(one == other)


def _same_outline(one: Displacement, other: Displacement) -> bool:
    if one.outline is None or other.outline is None:
        return one.outline is other.outline
    return np.array_equal(one.outline, other.outline)
