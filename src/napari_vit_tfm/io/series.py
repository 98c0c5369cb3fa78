"""Series of files: their order, and the values that they have in common."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from napari_vit_tfm.errors import FieldError, FieldFileError
from napari_vit_tfm.fields import Displacement, FloatArray
from napari_vit_tfm.io.base import FIRST_POSITION
from napari_vit_tfm.io.components import component_of
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.pair_file import PairFile
from napari_vit_tfm.io.registry import PathLike, open_field_file, partner_paths, readers

_SAME_POSITION = 0.05
"""Allowed shift of the positions in a file of a series, in grid steps."""


def natural_order(paths: Iterable[PathLike]) -> list[Path]:
    """Sort files by their names; numbers in the names are compared as numbers.

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


def series_in(source: PathLike | FieldFile | Sequence[PathLike]) -> list[Path] | None:
    """The files of a series, in order; None for a single file.

    Parameters
    ----------
    source : path, FieldFile, or sequence of paths
        Several files, or a folder: all its files with the extension of a format. Of
        two files with one component each, only one is in the series.

    Raises
    ------
    FieldError
        If there are no files.
    FieldFileError
        If the files of the folder have several extensions.
    """
    if isinstance(source, FieldFile):
        return None
    if not isinstance(source, str | os.PathLike):
        return without_partners(natural_order(source))
    folder = Path(source)
    if not folder.is_dir():
        return None
    known = {suffix for reader in readers() for suffix in reader.suffixes}
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in known and not path.name.startswith(".")
    ]
    if not found:
        raise FieldFileError(
            f"{folder}: the folder has no file of a known format, expected files such "
            f"as {', '.join(sorted(known))}"
        )
    files = without_partners(natural_order(found))
    suffixes = sorted({path.suffix.lower() for path in files})
    if len(suffixes) > 1:
        raise FieldFileError(
            f"{folder}: the folder has files of the types {', '.join(suffixes)}, "
            "expected one type; list the files of the series instead"
        )
    return files


def input_files(source: PathLike | Sequence[PathLike]) -> list[Path]:
    """All files that are read from a source of displacements, in order.

    Parameters
    ----------
    source : path, or sequence of paths
        As for `read_displacement`.

    Raises
    ------
    FieldFileError
        If a file is missing, or of no known format.

    Examples
    --------
    Two files with one component each:

    >>> import numpy as np
    >>> from napari_vit_tfm.io import input_files
    >>> for name in ("u.npy", "v.npy"):
    ...     np.save(name, np.zeros((16, 16)))
    >>> [path.name for path in input_files("v.npy")]
    ['u.npy', 'v.npy']
    """
    paths = series_in(source)
    if paths is None:
        assert isinstance(source, str | os.PathLike)
        paths = [Path(source)]
    return [file for path in paths for file in open_field_file(path).files]


def without_partners(paths: Sequence[Path]) -> list[Path]:
    """Leave out the files whose field is read from another one of the files.

    Parameters
    ----------
    paths : sequence of Path
        Files and folders, in any order, which is kept. Of two files with one component
        of a field each, only that of the x component stays.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from napari_vit_tfm.io.series import without_partners
    >>> for name in ("01u.npy", "01v.npy", "02u.npy"):
    ...     np.save(name, np.zeros((8, 9)))
    >>> files = map(Path, ["01v.npy", "01u.npy", "02u.npy"])
    >>> [path.name for path in without_partners(list(files))]
    ['01u.npy', '02u.npy']
    """
    given = {path.absolute() for path in paths}

    def is_second(path: Path) -> bool:
        component = component_of(path.stem)
        return (
            component is not None
            and component.axis == 1
            and any(other.absolute() in given for other in partner_paths(path))
            and _has_one_component(path)
        )

    return [path for path in paths if not is_second(path)]


def _has_one_component(path: Path) -> bool:
    """Whether a file has one component, and the file beside it has the other.

    Other fields may also be in files of such names.
    """
    try:
        with open_field_file(path) as file:
            return isinstance(file, PairFile) and file.has_components
    except FieldFileError:
        # The error is raised again when the field is read.
        return True


_PASS = re.compile(r"(.*)_PIV(\d)_(.*)", re.IGNORECASE)
"""Name of a file of ImageJ's iterative PIV, with the number of the pass."""


def last_passes(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Leave out results of earlier passes of ImageJ's iterative PIV.

    It writes the displacements after each pass into a file: the numbers after ``_PIV``
    are not those of frames.

    Parameters
    ----------
    paths : sequence of Path
        Files, sorted by the numbers in their names.

    Returns
    -------
    kept : list of Path
        The last pass of each pair of images, and all other files.
    with_others : list of Path
        Those of them that have earlier passes among `paths`.

    Raises
    ------
    FieldFileError
        If the last passes have different numbers.

    Examples
    --------
    >>> from pathlib import Path
    >>> from napari_vit_tfm.io.series import last_passes
    >>> last_passes([Path(f"cell_PIV{number}_disp.txt") for number in (1, 2, 3)])[0]
    [PosixPath('cell_PIV3_disp.txt')]
    """
    passes: dict[tuple[Path, str, str], dict[int, Path]] = {}
    for path in paths:
        match = _PASS.fullmatch(path.name)
        if match is not None:
            of_one_pair = passes.setdefault((path.parent, match[1], match[3]), {})
            of_one_pair[int(match[2])] = path
    several = [found for found in passes.values() if len(found) > 1]
    if not several:
        return list(paths), []
    last = max(several[0])
    for found in passes.values():
        if max(found) != last:
            raise FieldFileError(
                f"{found[max(found)]}: the last pass is PIV{max(found)}, but PIV{last} "
                f"in {several[0][last].name}; add the missing pass, or leave out the "
                "later ones"
            )
    earlier = {path for found in several for n, path in found.items() if n != last}
    kept = [path for path in paths if path not in earlier]
    return kept, [found[last] for found in several]


class Series:
    """Files of a series, added in order, and the values that they have in common.

    Parameters
    ----------
    files : sequence of Path
        The files, in order. Earlier passes of PIV are left out of `files`, with a note.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.files, with_others = last_passes(files)
        self.paths: list[Path] = []
        self.n_frames: list[int] = []
        self._first: Displacement | None = None
        self._outlines_agree = True
        self._files: list[str] = []
        self._notes: dict[str, list[Path]] = {}
        if with_others:
            note = "the last pass of PIV is read; earlier passes are left out"
            self._notes[note] = with_others

    def add(self, path: Path, displacement: Displacement) -> None:
        """Add a file.

        Raises
        ------
        FieldFileError
            If it differs from the first file in grid, positions, unit, lengths or gel.
        """
        if self._first is None:
            self._first = displacement
        expected = dict(_compared_values(self._first))
        for name, found in _compared_values(displacement):
            if not _is_equal(found, expected[name]):
                raise FieldFileError(
                    f"{path}: {name}: found {found}, but {expected[name]} in "
                    f"{self.paths[0]}; files of one series must have the same grid, "
                    "unit, lengths and gel"
                )
        self._check_positions(path, displacement)
        self._outlines_agree &= _have_same_outline(self._first, displacement)
        for note in displacement.metadata["notes"]:
            self._notes.setdefault(note, []).append(path)
        self._files += displacement.metadata["files"]
        self.paths.append(path)
        self.n_frames.append(displacement.n_frames)

    def _check_positions(self, path: Path, displacement: Displacement) -> None:
        """Raise an error if the grid is shifted, where both files have positions."""
        assert self._first is not None
        found, expected = (
            one.metadata["attributes"].get(FIRST_POSITION)
            for one in (displacement, self._first)
        )
        if found is None or expected is None:
            return
        shift = np.subtract(found, expected)
        if np.abs(shift).max() > _SAME_POSITION:
            raise FieldFileError(
                f"{path}: the positions are shifted by {shift[0]:.3g} grid steps along "
                f"x and {shift[1]:.3g} along y from those in {self.paths[0]}; files of "
                "one series must have the same positions: read them as single files, "
                "or crop them to the same region"
            )

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Number of rows and columns of all files."""
        assert self._first is not None
        return self._first.grid_shape

    def common_values(self, on_notice: Callable[[str], None] | None) -> dict[str, Any]:
        """The values of all files, by the names of the fields of `Displacement`."""
        assert self._first is not None
        common = {
            item.name: getattr(self._first, item.name)
            for item in dataclasses.fields(Displacement)
        }
        common["metadata"] = {
            **self._first.metadata,
            "source": [str(path) for path in self.paths],
            "files": tuple(self._files),
        }
        if not self._outlines_agree:
            common["outline"] = None
            note = "the outlines of the cell differ and are ignored"
            self._notes[note] = self.paths
        common["metadata"]["notes"] = tuple(self._notes)
        if on_notice is not None:
            for note, paths in self._notes.items():
                rest = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
                on_notice(f"{paths[0].name}{rest}: {note}")
        return common


class SeriesFrames:
    """A `FrameSource`: frames of several files, of which one at a time is open.

    Parameters
    ----------
    paths : list of Path
        The files, in order.
    n_frames : list of int
        Number of frames of each file.
    grid_shape : tuple of int
        Number of rows and columns of all files.
    open_file : callable
        Opens a file for a ``with`` block.
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
        self._open_number: int | None = None

    @property
    def n_frames(self) -> int:
        """Number of frames, ``T``, of all files together."""
        return int(self._stops[-1])

    def frames(self, start: int, stop: int) -> FloatArray:
        """Read the frames from `start` to before `stop`, as float32."""
        return np.concatenate(list(self._parts(start, stop)))

    def close(self) -> None:
        """Close the file that is open."""
        self._resources.close()

    def _parts(self, start: int, stop: int) -> Iterator[FloatArray]:
        number = bisect_right(self._stops, start)
        while start < stop:
            first = self._stops[number - 1] if number else 0
            last = min(stop, self._stops[number])
            yield self._file(number).frames(start - first, last - first)
            start, number = last, number + 1

    def _file(self, number: int) -> Displacement:
        if number != self._open_number:
            self._resources.close()
            self._displacement = self._resources.enter_context(
                self._open_file(self._paths[number])
            )
            self._open_number = number
        return self._displacement


def _natural_key(path: Path) -> tuple[list[tuple[bool, int, str]], str]:
    """Words and numbers of a path; numbers come before words."""
    parts = [
        (False, int(part), "") if part.isdecimal() else (True, 0, part.lower())
        for part in re.split(r"(\d+)", str(path))
        if part
    ]
    return parts, str(path)


def _compared_values(displacement: Displacement) -> Iterator[tuple[str, Any]]:
    rows, columns = displacement.grid_shape
    gel = displacement.gel
    yield "vectors", f"{rows} x {columns}"
    yield "unit", displacement.unit
    yield "spacing in um", displacement.spacing_um
    yield "pixel size in um", displacement.pixel_size_um
    yield "distance of the positions", displacement.spacing_in_unit
    yield "Young's modulus in Pa", gel.young_pa
    yield "Poisson ratio", gel.poisson
    yield "thickness of the gel in um", gel.thickness_um


def _is_equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6)
    return bool(one == other)


def _have_same_outline(one: Displacement, other: Displacement) -> bool:
    if one.outline is None or other.outline is None:
        return one.outline is other.outline
    return np.array_equal(one.outline, other.outline)
