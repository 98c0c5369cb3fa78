"""`PairFile`: two files, each of which has one component of a vector field."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io.base import AnyArray, ArrayEntry
from napari_vit_tfm.io.components import (
    PAIR_SEPARATOR,
    Component,
    Pair,
    component_of,
    is_scalar_field,
    paired_entry,
)
from napari_vit_tfm.io.field_file import FieldFile


def with_partner(file: FieldFile) -> FieldFile:
    """The file together with that of the other component, if there is one.

    Parameters
    ----------
    file : FieldFile
        A file that is not open.

    Returns
    -------
    FieldFile
        A `PairFile` if the file's name is that of one component, and a file of the
        same format with the name of the other component is in the folder. Otherwise
        the file itself.
    """
    component = component_of(file.path.stem)
    if component is None or not file.may_be_component:
        return file
    partner = file.path.with_name(component.partner + file.path.suffix)
    if not partner.is_file():
        return file
    with partner.open("rb") as stream:
        head = stream.read(len(file.head) or 1)
    if not file.recognises(partner, head):
        return file
    return PairFile(file, type(file)(partner, head), component)


class PairFile(FieldFile, is_format=False):
    """A field whose components are in two files.

    Parameters
    ----------
    file, partner : FieldFile
        The file that was asked for, and the file of the other component.
    component : Component
        The component in the first of the two.
    """

    def __init__(self, file: FieldFile, partner: FieldFile, component: Component):
        super().__init__(file.path, file.head)
        self._file, self._partner, self._component = file, partner, component
        # The name of the format and its description are those of the file.
        self.name, self.expects = file.name, file.expects  # type: ignore[misc]

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """False: the two files are recognised by their own format."""
        return False

    @property
    def files(self) -> tuple[Path, ...]:
        """Both files, that of the x component first."""
        files = (self._file.path, self._partner.path)
        return files if self._component.axis == 0 else files[::-1]

    def open(self, resources: ExitStack) -> None:
        """Open both files."""
        resources.enter_context(self._file)
        resources.enter_context(self._partner)

    def entries(self) -> tuple[ArrayEntry, ...]:
        """The field; the arrays of the file alone if it does not have one component."""
        arrays = [*self._file.arrays, *self._partner.arrays]
        # A table of vectors is no component, even if its file's name is that of one.
        # Its field is not named after the file.
        are_components = all(map(is_scalar_field, arrays)) and [
            entry.name for entry in arrays
        ] == [file.path.stem for file in (self._file, self._partner)]
        if not are_components:
            return self._file.arrays
        own, other = arrays
        if own.shape != other.shape:
            raise FieldFileError(
                f"{self._file.path} and {self._partner.path.name} have the two "
                f"components of a field, but different shapes: {own.shape} and "
                f"{other.shape}"
            )
        # Alone, each of them may be taken for a field of its own.
        own = replace(own, kind=None, what="")
        entry = paired_entry(own, other, self._component.kind, has_frames_last=False)
        names = sorted([self._file.path.name, self._partner.path.name])
        return (replace(entry, name=PAIR_SEPARATOR.join(names)),)

    def values(self, name: str, frames: slice | None) -> AnyArray:
        """Both components, ``(T, H, W, 2)`` or ``(H, W, 2)``."""
        own = self._file.arrays[0].name
        if name == own:
            return self._file.read(name, frames)
        parts = [
            self._file.read(own, frames),
            self._partner.read(self._partner.arrays[0].name, frames),
        ]
        x, y = parts if self._component.axis == 0 else parts[::-1]
        return Pair("x", "y", has_frames_last=False).joined(x, y)
