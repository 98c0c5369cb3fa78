"""Tests of the check of MATLAB files before scipy reads them."""

import io
import pickle
import random
import struct
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import eye

from napari_vit_tfm.guard.matlab_tags import check_headers, check_variable


def content(variables: dict[str, object], *, compressed: bool = False) -> bytes:
    stream = io.BytesIO()
    savemat(stream, variables, do_compression=compressed)
    return stream.getvalue()


def check(data: bytes) -> list[str]:
    """Check a file; the names of its variables."""
    stream = io.BytesIO(data)
    found = check_headers(stream)
    for position in found.values():
        check_variable(stream, position)
    return list(found)


def several() -> dict[str, object]:
    """Variables of every class."""
    cell = np.empty((1, 2), object)
    cell[0, 0], cell[0, 1] = np.zeros((2, 3)), "text \N{GREEK SMALL LETTER MU}"
    array = np.zeros((1, 2), [("x", object), ("y", object)])
    array[0, 0]["x"], array[0, 1]["y"] = 1.0, cell
    return {
        "u": np.arange(12.0).reshape(3, 4),
        "complex": np.array([[1 + 2j]]),
        "int8": np.arange(5, dtype=np.int8),
        "logical": np.array([True, False]),
        "empty": np.zeros((0, 3)),
        "text": ["ab", "c"],
        "nothing": "",
        "cell": cell,
        "struct": {"a": 1, "b": {"c": [1.0, 2.0]}},
        "structs": array,
        "sparse": eye(4).tocsc(),
    }


@pytest.mark.parametrize("compressed", [False, True])
def test_files_of_scipy_pass(compressed: bool) -> None:
    assert check(content(several(), compressed=compressed)) == list(several())


def field_of_ones() -> bytearray:
    return bytearray(content({"u": np.ones((3, 4))}))


# Positions in this file: header of 128 bytes, tag, flags, shape, name, values.
FLAGS, SHAPE, VALUES = 136, 152, 176


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (SHAPE + 8, 300, "96 bytes of type 9 for 1200 values"),
        (SHAPE + 8, -1, "the shape"),
        (VALUES, 255, "96 bytes of type 255"),
        (VALUES + 4, 2**31, "announced"),
        (FLAGS + 8, 77, "class 77"),
        (FLAGS, 9, "type 9 of 8 bytes for whole"),
        (132, 2**31 - 1, "a variable of type 14"),
        (128, 3, "a variable of type 3"),
    ],
)
def test_wrong_tags(position: int, value: int, message: str) -> None:
    data = field_of_ones()
    struct.pack_into("<I", data, position, value % 2**32)
    with pytest.raises(ValueError, match=message):
        check(bytes(data))


def test_sparse_matrix_with_wrong_indices() -> None:
    data = bytearray(content({"s": eye(4).tocsc()}))
    rows = data.index(struct.pack("<4i", 0, 1, 2, 3))
    struct.pack_into("<i", data, rows, 10**6)
    with pytest.raises(ValueError, match="sparse"):
        check(bytes(data))


def test_cell_with_too_many_elements() -> None:
    cell = np.empty((1, 3), object)
    cell[:] = 1.0
    data = bytearray(content({"c": cell}))
    struct.pack_into("<i", data, SHAPE + 12, 10**8)
    with pytest.raises(ValueError, match="100000000 arrays"):
        check(bytes(data))


def test_deep_nesting() -> None:
    value: object = 1.0
    for _ in range(40):
        value = {"a": value}
    with pytest.raises(ValueError, match="nested"):
        check(content({"s": value}))


def test_compressed_data_that_are_damaged() -> None:
    data = bytearray(content({"u": np.ones((3, 4))}, compressed=True))
    data[140] ^= 255
    with pytest.raises(ValueError):  # noqa: PT011 (what zlib says)
        check(bytes(data))


def test_truncated_file() -> None:
    with pytest.raises(ValueError, match="a variable of type 14"):
        check(bytes(field_of_ones()[:-8]))


READ = """
import io, pickle, sys
from scipy.io import loadmat

for data in pickle.load(sys.stdin.buffer):
    try:
        loadmat(io.BytesIO(data))
    except Exception:
        continue
"""


def test_files_that_pass_are_read_by_scipy_without_a_crash() -> None:
    data, rng = content(several()), random.Random(0)
    passed = []
    for _ in range(300):
        damaged = bytearray(data)
        damaged[rng.randrange(128, len(data))] = rng.randrange(256)
        with suppress(ValueError):
            check(bytes(damaged))
            passed.append(bytes(damaged))
    assert len(passed) > 50
    # In a process of its own, whose memory may be damaged.
    child = subprocess.run(
        [sys.executable, "-c", READ],
        input=pickle.dumps(passed),
        capture_output=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
