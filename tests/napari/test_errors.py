from __future__ import annotations

import torch

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.napari.errors import RunError, in_one_line


def test_messages_are_one_line() -> None:
    assert in_one_line(FieldError("two\nlines")) == "two lines"
    assert in_one_line(KeyError("x")) == "unexpected error (KeyError): 'x'"


def test_too_little_memory_is_told() -> None:
    assert in_one_line(MemoryError()) == "not enough memory"
    wrapped = RunError("out of memory")
    wrapped.__cause__ = torch.OutOfMemoryError("out of memory")
    assert in_one_line(wrapped).startswith("not enough memory on the GPU")
