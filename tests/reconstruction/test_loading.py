"""Devices."""

from __future__ import annotations

import pytest
import torch

from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.reconstruction import resolve_device


def test_devices() -> None:
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") in ("cpu", "cuda", "mps")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="no cuda device"):
            resolve_device("cuda")
