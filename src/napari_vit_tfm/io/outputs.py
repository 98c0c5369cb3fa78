"""Which files may be written: never one that was read, and no other's without asking.

`check_writable` and `check_output` protect what a result is computed from. `Maker`
writes into a file who made it, and tells from it whether it may be replaced.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import napari_vit_tfm
from napari_vit_tfm.errors import FieldFileError, TFMError
from napari_vit_tfm.io.exporter import Exporter
from napari_vit_tfm.io.registry import exporters, open_field_file
from napari_vit_tfm.io.replacing import check_place
from napari_vit_tfm.io.series import input_files
from napari_vit_tfm.io.signature import signature_in
from napari_vit_tfm.provenance import (
    INPUT,
    INPUT_SHA256,
    MADE_BY,
    files_sha256,
    relative_to,
)

_SIGNED = (".png", ".svg", ".gif", ".mp4", ".md", ".json")
"""Extensions of files that have a signature rather than attributes."""


@dataclass(frozen=True)
class Maker:
    """A command and the files that it reads.

    Parameters
    ----------
    name : str
        Name of the command, such as "vit-tfm limits".
    inputs : tuple of Path
        Files or folders that it reads; empty for generated fields.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from napari_vit_tfm.io import write_arrays
    >>> from napari_vit_tfm.io.outputs import Maker
    >>> maker, other = Maker("vit-tfm limits"), Maker("vit-tfm attention")
    >>> write_arrays(
    ...     "limits.h5", {"row": np.arange(3)}, {"": maker.attributes(Path())}
    ... )
    >>> maker.has_made(Path("limits.h5")), other.has_made(Path("limits.h5"))
    (True, False)
    """

    name: str
    inputs: tuple[Path, ...] = ()

    @cached_property
    def _files(self) -> tuple[Path, ...]:
        if not self.inputs:
            return ()
        # Several are a series, whose files have an order.
        source = self.inputs[0] if len(self.inputs) == 1 else self.inputs
        return tuple(file.absolute() for file in input_files(source))

    def attributes(self, folder: Path) -> dict[str, str]:
        """Attributes of a file in a folder: ``made_by``, ``input``, ``input_sha256``.

        Parameters
        ----------
        folder : Path
            Folder of the file, from which it names its input.
        """
        return {
            MADE_BY: self.name,
            INPUT: json.dumps([relative_to(folder, file) for file in self._files]),
            INPUT_SHA256: files_sha256(self._files),
        }

    def signature(self, folder: Path) -> str:
        """The attributes as one line of text, for figures and reports in a folder."""
        return json.dumps(self.attributes(folder))

    def has_made(self, path: Path) -> bool:
        """Whether a file says that this command made it from the same input.

        The input is the same if it is in the same places, or has the same content; a
        command without input generates its data itself.
        Tables of quantities do not say who made them.
        """
        known = _said_in(path)
        if known.get(MADE_BY) != self.name:
            return False
        if not self.inputs:
            return True
        own = self.attributes(path.parent)
        return any(known.get(name) == own[name] for name in (INPUT, INPUT_SHA256))


def _said_in(path: Path) -> Mapping[str, Any]:
    """Attributes of a file that say who made it; empty if there are none."""
    if path.suffix.lower() in _SIGNED:
        return signature_in(path, first=MADE_BY)
    try:
        with open_field_file(path) as file:
            for entry in file.arrays:
                if MADE_BY in entry.attributes:
                    return entry.attributes
    except (TFMError, OSError):
        pass
    return {}


def check_output(
    path: str | os.PathLike[str],
    *,
    inputs: Iterable[str | os.PathLike[str]] = (),
    any_array: bool = False,
    with_companions: bool = False,
) -> Path:
    """Return the path, or raise an error if no tractions can be written there.

    Parameters
    ----------
    path : path
        The file to write.
    inputs : iterable of paths, keyword-only
        Files that must not be overwritten, see `check_writable`.
    any_array : bool, keyword-only
        Whether arrays of any name and shape are to be written, for which there are
        fewer formats.
    with_companions : bool, keyword-only
        Whether the tractions have companions, for which some formats have no place.

    Raises
    ------
    FieldFileError
        If the extension is unknown, the format has no place for what is to be written,
        there can be no such file (see `replacing.check_place`), or it is an input.
    """
    path = Path(path)
    exporter = exporter_for(path, any_array=any_array)
    if with_companions and not exporter.has_companions:
        others = [one for one in exporters() if one.has_companions]
        raise FieldFileError(
            f"{path}: {exporter.name} has no place for the residual or the uncertainty "
            f"of tractions, expected one of {_suffixes_of(others)}"
        )
    check_writable(path, inputs=inputs)
    return path


def check_writable(
    path: str | os.PathLike[str], *, inputs: Iterable[str | os.PathLike[str]]
) -> None:
    """Raise an error if a file cannot be written, or must never be overwritten.

    Parameters
    ----------
    path : path
        The file to write.
    inputs : iterable of paths, keyword-only
        Files and folders that were read: displacements, masks, models, configurations.
        They need not exist.

    Raises
    ------
    FieldFileError
        If there can be no such file (see `replacing.check_place`), or if it is an
        input, also under another name, in one of the folders, or as the second file of
        a field in two files. Also if it belongs to this package, as the bundled models
        do.

    Examples
    --------
    >>> from pathlib import Path
    >>> from napari_vit_tfm.io import check_writable
    >>> Path("cells.csv").touch()
    >>> check_writable("table.csv", inputs=["cells.csv", "gone.csv"])
    >>> check_writable("cells.csv", inputs=["cells.csv"])
    Traceback (most recent call last):
    napari_vit_tfm.errors.FieldFileError: cells.csv: the output file is an input file
    """
    path = Path(path)
    check_place(path)
    if not path.exists():
        return
    target = path.resolve()
    if Path(napari_vit_tfm.__file__).resolve().parent in target.parents:
        raise FieldFileError(f"{path}: the output file belongs to napari-vit-tfm")
    if any(_is_read(target, Path(source)) for source in inputs):
        raise FieldFileError(f"{path}: the output file is an input file")


def _is_read(target: Path, source: Path) -> bool:
    """Whether an existing file is read with a source of data."""
    if not source.exists():
        return False
    if source.is_dir():
        if target.parent != source.resolve():
            return False
    elif target.samefile(source):
        return True
    try:
        files = input_files(source)
    except (TFMError, OSError):
        # All images in a folder of masks are read; a model has no other file.
        return source.is_dir()
    return any(map(target.samefile, files))


def exporter_for(path: Path, *, any_array: bool = False) -> type[Exporter]:
    """The format that the extension of a file to write selects."""
    known = exporters(any_array=any_array)
    for exporter in known:
        if path.suffix.lower() in exporter.suffixes:
            return exporter
    raise FieldFileError(
        f"{path}: found the extension {path.suffix!r}, "
        f"expected one of {_suffixes_of(known)}"
    )


def _suffixes_of(formats: Iterable[type[Exporter]]) -> str:
    return ", ".join(suffix for one in formats for suffix in one.suffixes)
