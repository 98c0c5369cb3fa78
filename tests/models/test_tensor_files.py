"""The checksum of the files that are written."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from napari_vit_tfm.errors import ModelError
from napari_vit_tfm.models.tensor_files import TensorFile, read_tensors, write_tensors

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2])}
HEADER = {"format": "tensors 1", "note": '"checksum":"' + "0" * 64 + '"'}


def read(path: Path) -> TensorFile:
    return read_tensors(path, form="tensors 1", what="a file of tensors")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    written = tmp_path / "some.safetensors"
    write_tensors(written, TENSORS, HEADER)
    return written


def test_what_is_written_is_read(path: Path) -> None:
    found = read(path)
    assert found.header.items() >= HEADER.items()
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    for name, tensor in TENSORS.items():
        assert torch.equal(found.tensors[name], tensor)
        assert found.tensors[name].dtype == tensor.dtype


def test_other_programs_read_it(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        assert set(file.keys()) == {"a", "b"}
        assert len(file.metadata()["checksum"]) == 64


def test_no_changed_bit_is_overlooked(path: Path) -> None:
    content = path.read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << random.Random(place).randrange(8)
        path.write_bytes(changed)
        with pytest.raises(ModelError, match=r"some\.safetensors"):
            read(path)


@pytest.mark.parametrize("kept", [0, 3, 8, 50, -1])
def test_a_truncated_file_is_refused(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"not a safetensors file|damaged"):
        read(path)
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(ModelError, match="not a safetensors file"):
        read(path)


@pytest.mark.parametrize(
    "text", ["[]", "3", "[" * 9999, '{"__metadata__": 3}', "{'a'}"]
)
def test_headers_that_are_none(path: Path, text: str) -> None:
    path.write_bytes(len(text).to_bytes(8, "little") + text.encode())
    with pytest.raises(ModelError, match="not a safetensors file"):
        read(path)


def test_a_file_without_a_checksum_is_refused(path: Path) -> None:
    save_file(TENSORS, path, {"format": "tensors 1"})
    with pytest.raises(ModelError, match="has no checksum"):
        read(path)


def test_a_file_of_another_program_is_told_apart(path: Path) -> None:
    save_file(TENSORS, path)
    with pytest.raises(ModelError, match="but not a file of tensors"):
        read(path)
    with pytest.raises(ModelError, match="cannot be read"):
        read(path.parent)


def test_a_checksum_among_the_tensors_is_none(tmp_path: Path) -> None:
    entry = '"checksum":"{}"'
    tensor = torch.tensor(list(entry.format("0" * 64).encode()), dtype=torch.uint8)
    path = tmp_path / "some.safetensors"
    save_file({"a": tensor}, path, {"format": "tensors 1"})
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    path.write_bytes(content.replace(b"0" * 64, digest.encode()))
    with pytest.raises(ModelError, match="has no checksum"):
        read(path)
