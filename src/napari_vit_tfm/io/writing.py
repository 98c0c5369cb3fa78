"""Files that this package writes: whole or not at all."""

from __future__ import annotations

import dataclasses
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_vit_tfm import __version__
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io.base import (
    DRIFT_NAME,
    OUTLINE_NAME,
    Attributes,
    FileFormat,
)
from napari_vit_tfm.io.registry import written_formats


def write_traction(path: str | os.PathLike[str], traction: TractionStack) -> None:
    """Write a traction stack, in the format of the file name's ending.

    The array is ``traction``, ``(T, H, W, 2)``, float32, with the attributes
    ``units``, ``spacing_um``, ``young_pa``, ``poisson``, ``thickness_um``
    (infinite for a half-space), ``model``, ``model_sha256`` and ``version``,
    the package's version. Numbers that are not known are NaN. An outline is
    the array ``outline``; the mean displacements that were taken off are the
    array ``drift``, ``(T, 2)``, with the attribute ``units``, "grid".

    Parameters
    ----------
    path : path
        The file, ending as those of a format that is written, such as .h5 or .npz;
        one of that name is replaced.
    traction : TractionStack
        What to write.

    Raises
    ------
    FieldFileError
        If the ending is another, or the file cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import Gel, TractionStack, write_traction
    >>> gel = Gel(young_pa=5_000, poisson=0.45)
    >>> traction = TractionStack(np.zeros((1, 16, 16, 2)), unit="Pa", gel=gel)
    >>> write_traction("traction.npz", traction)
    >>> with np.load("traction.npz") as file:
    ...     file["traction"].shape
    (1, 16, 16, 2)
    """
    said: dict[str, str | float | None] = {
        "units": traction.unit,
        "spacing_um": traction.spacing_um,
        **gel_attributes(traction.gel),
        "model": traction.model,
        "model_sha256": traction.model_sha256,
        "version": __version__,
    }
    arrays: dict[str, npt.ArrayLike] = {"traction": traction.data}
    if traction.outline is not None:
        arrays[OUTLINE_NAME] = traction.outline
    # All are always there, so that whoever reads them need not ask first.
    attributes = {
        "traction": {k: math.nan if v is None else v for k, v in said.items()}
    }
    if traction.drift is not None:
        arrays[DRIFT_NAME] = traction.drift
        attributes[DRIFT_NAME] = {"units": "grid"}
    write_arrays(path, arrays, attributes)


def write_displacement(
    path: str | os.PathLike[str], displacement: DisplacementStack
) -> None:
    """Write a displacement stack, in the format of the file name's ending.

    The array is ``displacement``, ``(T, H, W, 2)``, float32, with the attributes
    ``units``, ``spacing_um``, ``pixel_size_um``, ``young_pa``, ``poisson`` and
    ``thickness_um``, as far as they are known, and ``version``, the package's
    version. An outline is the array ``outline``.

    Parameters
    ----------
    path : path
        The file, ending as those of a format that is written, such as .h5 or .npz;
        one of that name is replaced.
    displacement : DisplacementStack
        What to write.

    Raises
    ------
    FieldFileError
        If the ending is another, or the file cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import DisplacementStack, read_displacement
    >>> from napari_vit_tfm.io import write_displacement
    >>> stack = DisplacementStack(np.zeros((1, 16, 24, 2)), unit="um", spacing_um=0.8)
    >>> write_displacement("displacement.h5", stack)
    >>> read_displacement("displacement.h5").spacing_um
    0.8
    """
    said: dict[str, str | float | None] = {
        "units": displacement.unit,
        "spacing_um": displacement.spacing_um,
        "pixel_size_um": displacement.pixel_size_um,
        **dataclasses.asdict(displacement.gel),
        "version": __version__,
    }
    arrays: dict[str, npt.ArrayLike] = {"displacement": displacement.data}
    if displacement.outline is not None:
        arrays[OUTLINE_NAME] = displacement.outline
    known = {name: value for name, value in said.items() if value is not None}
    write_arrays(path, arrays, {"displacement": known})


def gel_attributes(gel: Gel) -> dict[str, float]:
    """What files say about a gel; NaN for what is not known.

    Parameters
    ----------
    gel : Gel
        The gel.

    Returns
    -------
    dict of str to float
        ``young_pa``, ``poisson`` and ``thickness_um``, infinite for a
        half-space.
    """
    return {
        name: math.nan if value is None else value
        for name, value in dataclasses.asdict(gel).items()
    }


def write_arrays(
    path: str | os.PathLike[str],
    arrays: Mapping[str, npt.ArrayLike],
    attributes: Mapping[str, Attributes],
) -> None:
    """Write named arrays, in the format of the file name's ending.

    The file appears under its name when it is complete: it is written under
    another and renamed.

    Parameters
    ----------
    path : path
        The file, ending as those of a format that is written, such as .h5 or .npz;
        one of that name is replaced.
    arrays : mapping of str to array
        The arrays. None is written as objects.
    attributes : mapping of str to mapping
        Strings and numbers by name, for every array by its name, for the file
        itself under the name ``""``. NPZ files hold them as arrays without
        axes, named ``array.attribute``.

    Raises
    ------
    FieldFileError
        If the ending is another, or the file cannot be written.
    """
    target = check_output(path)
    write = _format_for(target).write
    assert write is not None
    try:
        with replacing(target) as temporary:
            write(
                temporary,
                {name: np.asarray(array) for name, array in arrays.items()},
                attributes,
            )
    except OSError as error:
        # h5py's own text names the temporary file.
        reason = error.strerror or type(error).__name__
        raise FieldFileError(f"{target}: cannot be written ({reason})") from error


def check_output(path: str | os.PathLike[str]) -> Path:
    """The path, if a file can be written there: asked before a long computation.

    Raises
    ------
    FieldFileError
        If its ending is none that is written, or its folder is not there.
    """
    path = Path(path)
    _format_for(path)
    if path.is_dir():
        raise FieldFileError(f"{path}: is a folder, expected a file to write")
    if not path.parent.is_dir():
        raise FieldFileError(f"{path}: there is no folder {path.parent}")
    return path


def _format_for(path: Path) -> FileFormat:
    for file_format in written_formats():
        if path.suffix.lower() in file_format.endings:
            return file_format
    endings = [ending for known in written_formats() for ending in known.endings]
    raise FieldFileError(
        f"{path}: found the ending {path.suffix!r}, "
        f"expected one of {', '.join(endings)}"
    )


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside a file, which takes the file's place at the end.

    Parameters
    ----------
    path : Path
        The file to write; untouched if the block fails.

    Yields
    ------
    Path
        The name to write to.
    """
    # A link keeps pointing at its file, which is the one replaced.
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
