"""Where to save something, asked as napari's own dialogues ask."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget


def ask_where_to_save(
    parent: QWidget, title: str, suggestion: str, kinds: Mapping[str, tuple[str, ...]]
) -> Path | None:
    """Ask for a file's name, and whether one of that name may be replaced.

    Parameters
    ----------
    parent : QWidget
        The dock that asks.
    title : str
        What is saved.
    suggestion : str
        A name to begin with.
    kinds : mapping of str to tuple of str
        Kinds of files and their endings, with their dots. A name with none of
        these endings gets the first one of the kind that is chosen.

    Returns
    -------
    Path, or None if nothing is to be saved
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
        # The dialogue has asked about the name as it was typed.
        return Path(name)
    endings = kinds.get(chosen.partition(" (")[0], next(iter(kinds.values())))
    path = Path(name + endings[0])
    return path if not path.exists() or _may_replace(parent, title, path) else None


def _may_replace(parent: QWidget, title: str, path: Path) -> bool:
    answer = QMessageBox.question(
        parent, title, f"{path.name} is there already. Replace it?"
    )
    return answer == QMessageBox.StandardButton.Yes
