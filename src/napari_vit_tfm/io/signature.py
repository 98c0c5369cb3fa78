"""Signatures: JSON in figures, animations and reports, which says who made them.

Each format has a place for text that programs do not show: PNG and SVG a source, GIF a
comment, MP4 a description, Markdown a comment, and JSON itself.
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_N_BYTES = 1 << 20
"""Length of the beginning and of the end of a file, where a signature is."""

_GIF_COMMENT = b"!\xfe"
_GIF_END = b";"
_GIF_BLOCK = 255
"""Largest block of a comment."""


def signature_in(path: Path, *, first: str) -> Mapping[str, Any]:
    """The signature in a file.

    Parameters
    ----------
    path : Path
        The file.
    first : str, keyword-only
        Name of the first entry.

    Returns
    -------
    mapping
        The entries; empty if there are none.

    Examples
    --------
    >>> from pathlib import Path
    >>> from napari_vit_tfm.io.signature import signature_in
    >>> _ = Path("report.md").write_text('Text <!-- {"made_by": "vit-tfm"} -->')
    >>> signature_in(Path("report.md"), first="made_by")
    {'made_by': 'vit-tfm'}
    """
    beginning = re.compile(rf'\{{\s*"{first}":')
    for text in _texts(path):
        found = beginning.search(text)
        if found is None:
            continue
        try:
            known, _ = json.JSONDecoder().raw_decode(text, found.start())
        except (ValueError, RecursionError):
            continue
        return dict(known)
    return {}


def sign_gif(path: Path, signature: str) -> None:
    """Add a signature to a GIF file, as a comment at its end.

    Parameters
    ----------
    path : Path
        The file, as Pillow writes it.
    signature : str
        The signature, in ASCII.
    """
    text = signature.encode("ascii")
    blocks = [text[at : at + _GIF_BLOCK] for at in range(0, len(text), _GIF_BLOCK)]
    comment = b"".join(bytes([len(block)]) + block for block in blocks)
    with path.open("r+b") as stream:
        stream.seek(-len(_GIF_END), os.SEEK_END)
        stream.write(_GIF_COMMENT + comment + b"\0" + _GIF_END)


def _texts(path: Path) -> list[str]:
    """The beginning and the end of a file, as text."""
    if not path.is_file():
        # To open a named pipe may block for ever.
        return []
    try:
        with path.open("rb") as stream:
            parts = [stream.read(_N_BYTES)]
            stream.seek(max(_N_BYTES, path.stat().st_size - _N_BYTES))
            parts.append(stream.read())
    except OSError:
        return []
    suffix = path.suffix.lower()
    if suffix == ".gif":
        parts = [_last_comment(part) for part in parts]
    texts = [part.decode("utf-8", errors="replace") for part in parts]
    return [html.unescape(text) for text in texts] if suffix == ".svg" else texts


def _last_comment(part: bytes) -> bytes:
    """The last comment in a part of a GIF file."""
    comment = b""
    at = part.rfind(_GIF_COMMENT) + len(_GIF_COMMENT)
    while at < len(part) and part[at]:
        comment += part[at + 1 : at + 1 + part[at]]
        at += 1 + part[at]
    return comment
