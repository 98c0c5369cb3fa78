"""Attributes as JSON, for formats that have no attributes of their own."""

from __future__ import annotations

import json
import math
from typing import Any

_INFINITY = "Infinity"


def to_json(value: Any) -> str:
    """Text of attributes: mappings, lists, strings, numbers and arrays.

    JSON has neither NaN nor infinity. NaN, which means not known, becomes null, and
    infinity the string "Infinity".

    Parameters
    ----------
    value : object
        The attributes.

    Examples
    --------
    >>> from napari_vit_tfm.io.json_text import to_json
    >>> to_json({"young_pa": float("nan"), "thickness_um": float("inf")})
    '{"young_pa": null, "thickness_um": "Infinity"}'
    """
    return json.dumps(_plain(value), allow_nan=False)


def from_json(text: str) -> Any:
    """Attributes from the text of `to_json`.

    Raises
    ------
    ValueError
        If the text is not JSON.

    Examples
    --------
    >>> from napari_vit_tfm.io.json_text import from_json
    >>> from_json('{"young_pa": null, "thickness_um": "Infinity"}')
    {'young_pa': nan, 'thickness_um': inf}
    """
    return _restored(json.loads(text))


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    if value == math.inf:
        return _INFINITY
    return value


def _restored(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _restored(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_restored(item) for item in value]
    if value is None:
        return math.nan
    return math.inf if value == _INFINITY else value
