"""How Sphinx builds the documentation: `make docs`, into build/docs."""

from __future__ import annotations

from types import GenericAlias
from typing import Any

from napari_vit_tfm import __version__

project = "napari-vit-tfm"
author = "napari-vit-tfm developers"
copyright = f"2026, {author}"
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
]

# Pages
exclude_patterns = ["pictures"]
myst_enable_extensions = ["dollarmath"]
# Links to headings of other pages, as GitHub makes them.
myst_heading_anchors = 3

# Docstrings: types and shapes are in their sections, so signatures go without.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"
autosummary_generate = False
numpydoc_show_class_members = False
maximum_signature_line_length = 80

# Appearance: the theme comes with Sphinx.
html_theme = "alabaster"
html_theme_options = {
    "description": "Traction force microscopy in napari with a Vision Transformer",
    "fixed_sidebar": True,
    "page_width": "1100px",
}
html_show_sourcelink = False


def skip_aliases(
    app: Any, what: str, name: str, member: object, skip: bool, options: Any
) -> bool | None:
    """Leave out names of types, such as ``tuple[int, int]``: numpydoc fails on them."""
    return True if isinstance(member, GenericAlias) else None


def setup(app: Any) -> None:
    """Connect what this file adds; Sphinx calls it."""
    app.connect("autodoc-skip-member", skip_aliases)
