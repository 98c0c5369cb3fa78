"""Texts from files and file names, made harmless where they are shown.

A name may have characters that clear a terminal or turn the direction of writing, tags
that a window shows as pictures, formulas of mathematics, or of a spreadsheet.
"""

from __future__ import annotations

import re

# Control characters, marks that turn the direction of writing, and bytes of file names
# that are not UTF-8, which Python reads as lone surrogates.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_FORMULA = re.compile(r"[=@\t\r]|[+-](?![0-9.]*(?:[eE][+-]?[0-9]+)?$)")


def escaped(text: str, *, lines: bool = False) -> str:
    r"""Show control characters as their codes.

    Parameters
    ----------
    text : str
        The text.
    lines : bool, keyword-only
        Whether the text has several lines, whose ends and tabs are kept.

    Examples
    --------
    >>> from napari_vit_tfm.plain_text import escaped
    >>> print(escaped("a\x1b[31m\nb"))
    a\x1b[31m\nb
    """

    def code(match: re.Match[str]) -> str:
        character = match[0]
        if lines and character in "\n\t":
            return character
        return character.encode("unicode_escape").decode()

    return _HIDDEN.sub(code, text)


def without_tags(text: str) -> str:
    r"""A text of a window that is shown as it is, and not as HTML.

    Qt takes a text with a tag for HTML, and loads its pictures.

    Examples
    --------
    >>> from napari_vit_tfm.plain_text import without_tags
    >>> without_tags("<img src=x>.h5: no field") == (
    ...     "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}img src=x"
    ...     "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}.h5: no field"
    ... )
    True
    """
    angles = str.maketrans(
        "<>",
        "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}"
        "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
    )
    shown = escaped(text, lines=True)
    return shown.translate(angles) if re.search(r"<[A-Za-z/!?]", shown) else shown


def for_figure(text: str) -> str:
    r"""A text of a figure that is shown as it is, and not as mathematics.

    Examples
    --------
    >>> from napari_vit_tfm.plain_text import for_figure
    >>> print(for_figure("$E$ of day 3"))
    \$E\$ of day 3
    """
    return escaped(text, lines=True).replace("$", r"\$")


def for_spreadsheet(text: str) -> str:
    """A text in a table that no spreadsheet takes for a formula.

    Such a text gets an apostrophe in front. Numbers are left as they are.

    Examples
    --------
    >>> from napari_vit_tfm.plain_text import for_spreadsheet
    >>> [for_spreadsheet(text) for text in ("=1+2", "-3.5e-7", "drug")]
    ["'=1+2", '-3.5e-7', 'drug']
    """
    return f"'{text}" if _FORMULA.match(text) else text
