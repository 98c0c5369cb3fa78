"""Contents of a file according to its headers, and the choice of the array to read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import COMPANION_NAMES
from napari_vit_tfm.io.attributes import text_attribute
from napari_vit_tfm.io.base import (
    TRACTION_NAME,
    ArrayEntry,
    Kind,
    has_components_first,
)
from napari_vit_tfm.io.components import component_of, lone_components
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.registry import PathLike, opened
from napari_vit_tfm.provenance import MADE_BY


@dataclass(frozen=True)
class FileSummary:
    """Contents of a file according to its headers.

    Parameters
    ----------
    path : Path
        The file.
    format : str
        Name of its format.
    arrays : tuple of ArrayEntry
        Headers of all arrays, with shape, type, layout and kind.
    displacement, traction : str, optional
        Names of the arrays that `read_displacement` and `read_traction` read by
        default; None if there is no such array, or several.
    """

    path: Path
    format: str
    arrays: tuple[ArrayEntry, ...]
    displacement: str | None
    traction: str | None

    @property
    def has_field(self) -> bool:
        """Whether there is a displacement or a traction field in the file."""
        return self.displacement is not None or self.traction is not None


def summarise(source: PathLike | FieldFile) -> FileSummary:
    """Summarise the contents of a file.

    Parameters
    ----------
    source : path or FieldFile
        A file of any format, or a `FieldFile` that is open.

    Returns
    -------
    FileSummary
        The contents of the file, which may have no field.

    Raises
    ------
    FieldFileError
        If the file cannot be read, or its format is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import io
    >>> np.savez("cell.npz", displacement=np.zeros((3, 16, 24, 2)))
    >>> summary = io.summarise("cell.npz")
    >>> summary.format, summary.displacement, summary.traction
    ('NPZ', 'displacement', None)
    """
    with opened(source) as file:
        return FileSummary(
            path=file.path,
            format=file.name,
            arrays=file.arrays,
            displacement=_chosen_name(file, "displacement"),
            traction=_chosen_name(file, "traction"),
        )


def choose(
    file: FieldFile,
    kind: Kind,
    *,
    dataset: str | None = None,
    components_first: bool = False,
) -> ArrayEntry:
    """Choose the array to read as displacement or traction.

    An array that is given by its name is chosen whatever its kind. Otherwise, the
    array of the wanted kind is chosen. If there is no displacement, it is the array
    ``data`` of the original work or, without that, the only vector field of unknown
    kind. An array of three components must be of the wanted kind. Vectors that belong
    to tractions in the file, such as their residual, are only chosen by name.

    Parameters
    ----------
    file : FieldFile
        The open file.
    kind : {"displacement", "traction"}
        The wanted kind.
    dataset : str, keyword-only, optional
        Name of the array.
    components_first : bool, keyword-only
        Whether arrays ``(2, H, W)`` are vector fields.

    Raises
    ------
    FieldFileError
        If there is no such array, or several, or if it is not a vector field.
    """
    arrays = tuple(
        _with_components_first(entry) if components_first else entry
        for entry in file.arrays
    )
    if dataset is not None:
        return _find_by_name(file, arrays, dataset)
    fields = _without_companions(entry for entry in arrays if entry.layout is not None)
    candidates = [entry for entry in fields if entry.kind == kind]
    if not candidates and kind == "displacement":
        unknown = [
            entry
            for entry in fields
            if entry.kind is None and not entry.has_third_component
        ]
        candidates = [entry for entry in unknown if entry.is_original] or unknown
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise FieldFileError(
            f"{file.path}: several arrays may be the {kind}: "
            f"{_listed(candidates)}; choose one by its name (dataset=, --dataset)"
        )
    _refuse_lone_component(file, kind)
    if fields:
        name = fields[0].name
        raise FieldFileError(
            f"{file.path}: has no {kind} according to names and units: found "
            f"{_listed(fields)}; if one of these is a {kind}, choose it by its name, "
            f'such as dataset="{name}", --dataset "{name}"'
        )
    hint = ""
    if any(has_components_first(entry.shape, entry.dtype) for entry in arrays):
        hint = (
            "; if the first axis has the components, say so (components_first=, "
            "--components-first)"
        )
    raise FieldFileError(
        f"{file.path}: has no {kind} field: found {_listed(arrays)}; "
        f"expected {file.expects}{hint}{_maker_in_words(arrays)}"
    )


def _maker_in_words(arrays: Iterable[ArrayEntry]) -> str:
    """The command of this package that has written a file, if one has."""
    makers = (text_attribute(entry, MADE_BY) for entry in arrays)
    name = next(filter(None, makers), "")
    return (
        f"; the file was written by {name:.60}, and vit-tfm info tells what it has"
        if name
        else ""
    )


def _without_companions(fields: Iterable[ArrayEntry]) -> list[ArrayEntry]:
    """The fields without those that belong to tractions in the same file."""
    found = list(fields)
    if not any(entry.name == TRACTION_NAME for entry in found):
        return found
    return [entry for entry in found if entry.name not in COMPANION_NAMES]


def _refuse_lone_component(file: FieldFile, kind: Kind) -> None:
    """Raise an error if one component of the wanted field is there, not the other."""
    for entry, partner, shape in lone_components(file.arrays):
        component = component_of(entry.name.rpartition("/")[2])
        if component is None or component.kind not in (kind, None):
            continue
        if shape is not None:
            raise FieldFileError(
                f"{file.path}: {entry.name} and {partner} have the two components of a "
                f"field, but different shapes: {entry.shape} and {shape}"
            )
        where = "in the same file"
        if file.may_be_component and entry.name == file.path.stem:
            partner += file.path.suffix
            where = "beside it, or with the suffix of another format"
        elif entry.layout is not None:
            where += f'; if {entry.name} has both, choose it: --dataset "{entry.name}"'
        raise FieldFileError(
            f"{file.path}: {entry.name} has only one component of the vectors, and "
            f"{partner} with the other component is missing; expected it {where}"
        )


def _with_components_first(entry: ArrayEntry) -> ArrayEntry:
    if has_components_first(entry.shape, entry.dtype):
        return replace(entry, layout="(2, H, W)")
    return entry


def _chosen_name(file: FieldFile, kind: Kind) -> str | None:
    try:
        return choose(file, kind).name
    except FieldFileError:
        return None


def _find_by_name(
    file: FieldFile, arrays: Sequence[ArrayEntry], dataset: str
) -> ArrayEntry:
    for entry in arrays:
        if entry.name != dataset.strip("/"):
            continue
        if entry.layout is None:
            raise FieldFileError(
                f"{file.path}: {entry} is not a vector field: expected {file.expects}"
            )
        return entry
    raise FieldFileError(
        f"{file.path}: there is no array {dataset!r}: found {_listed(arrays)}"
    )


def _listed(entries: Sequence[ArrayEntry], maximum: int = 3) -> str:
    if not entries:
        return "no arrays"
    text = ", ".join(_described(entry) for entry in entries[:maximum])
    rest = len(entries) - maximum
    return f"{text} and {rest} more" if rest > 0 else text


def _described(entry: ArrayEntry) -> str:
    what = entry.what or (entry.kind and f"a {entry.kind}")
    return f"{entry}, taken as {what}" if what else str(entry)
