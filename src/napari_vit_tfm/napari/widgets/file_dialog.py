"""A dialogue for the name of a file to save."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_vit_tfm.plain_text import without_tags


def ask_where_to_save(
    parent: QWidget, title: str, suggestion: str, kinds: Mapping[str, tuple[str, ...]]
) -> Path | None:
    """Ask for a file name, and whether an existing file may be replaced.

    Parameters
    ----------
    parent : QWidget
        Parent of the dialogue.
    title : str
        Title of the dialogue.
    suggestion : str
        Suggested file name.
    kinds : mapping of str to tuple of str
        Kinds of files and their extensions, with the dot. If a name has none of them,
        the first extension of the selected kind is added.

    Returns
    -------
    Path or None
        The file; None if the user cancels.
    """
    filters = [
        f"{kind} ({' '.join(f'*{ending}' for ending in endings)})"
        for kind, endings in kinds.items()
    ]
    name, chosen = QFileDialog.getSaveFileName(
        parent, title, suggestion, ";;".join(filters)
    )
    if not name:
        return None
    if Path(name).suffix.lower() in {end for ends in kinds.values() for end in ends}:
        # The dialogue has already asked whether to replace this file.
        return Path(name)
    endings = kinds.get(chosen.partition(" (")[0], next(iter(kinds.values())))
    path = Path(name + endings[0])
    return path if not path.exists() or _may_replace(parent, title, path) else None


def _may_replace(parent: QWidget, title: str, path: Path) -> bool:
    answer = QMessageBox.question(
        parent, title, without_tags(f"{path.name} already exists. Replace it?")
    )
    return answer == QMessageBox.StandardButton.Yes
