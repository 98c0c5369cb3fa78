"""Parameters of ImageJ's FTTC plugin, in a file beside the tractions."""

from __future__ import annotations

import re
from pathlib import Path

TRACTION_PREFIX = "Traction_"
PARAMETERS_PREFIX = "FTTCparameters_"

_NUMBER = r"[^:\n]*:\s*([-+]?[\d.,]+(?:[eE][-+]?\d+)?)"
_LABELS = {
    "young_pa": re.compile(r"^Young" + _NUMBER, re.MULTILINE),
    "pixel_size_um": re.compile(r"^pixel size" + _NUMBER, re.MULTILINE),
    "poisson": re.compile(r"^Poisson" + _NUMBER, re.MULTILINE),
}
_GROUPED = re.compile(r",\d{3}$|[.,].*[.,]")
_LARGEST_PIXEL_M = 1e-3


def is_of_tractions(path: Path) -> bool:
    """Whether the FTTC plugin gives its tractions files of this name."""
    return path.name.lower().startswith(TRACTION_PREFIX.lower())


def fttc_parameters(path: Path) -> tuple[dict[str, float], tuple[str, ...]]:
    """Gel and pixel size of tractions, from the file that the plugin writes with them.

    Parameters
    ----------
    path : Path
        File of tractions, ``Traction_*``. The parameters are in ``FTTCparameters_*``.

    Returns
    -------
    attributes : dict of str to float
        Those of ``young_pa``, ``pixel_size_um`` and ``poisson`` that are in the file.
    notes : tuple of str
        What a user must know: where they are from.

    Notes
    -----
    The plugin labels the pixel size "in micron", but its source code, in which a pixel
    is 9E-8 by default, writes metres. A pixel is far larger than 1e-3 um and far
    smaller than 1e-3 m, so a smaller number is in metres.
    """
    beside = path.with_name(PARAMETERS_PREFIX + path.name[len(TRACTION_PREFIX) :])
    if not beside.is_file():
        return {}, ()
    text = beside.read_text(encoding="utf-8", errors="replace")
    found: dict[str, float] = {}
    notes = [f"the parameters are from {beside.name}"]
    for name, label in _LABELS.items():
        match = label.search(text)
        if match is not None:
            if _GROUPED.search(match[1]):
                notes.append(
                    f"{match[1]} in {beside.name} is not used, since its separators "
                    "may be decimal or grouping signs"
                )
            else:
                found[name] = float(match[1].replace(",", "."))
    pixel = found.get("pixel_size_um")
    if pixel is not None and 0 < pixel < _LARGEST_PIXEL_M:
        found["pixel_size_um"] = pixel * 1e6
        notes.append(
            f"the pixel size of {pixel:g} is taken as metres, since it is too small "
            "for micrometres"
        )
    return found, tuple(notes)
