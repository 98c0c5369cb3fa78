"""Faults that are known to do harm."""

from __future__ import annotations

import pytest

KNOWN = {
    "test_a_disk_that_is_full_keeps_the_old_file[t.h5]": "HDF5 crashes",
    "test_a_disk_that_is_full_keeps_the_old_file[t.ome.tif]": "no reason is given",
    "test_a_long_run_goes_on_when_there_is_space_again": "HDF5 crashes",
    "test_a_small_disk[t.h5-6]": "HDF5 prints tracebacks",
    "test_a_small_disk[t.ome.tif-6]": "no reason is given",
    "test_closed_output[predict-2>&-]": "the tractions are not written",
    "test_closed_output[predict->&- 2>&-]": "the tractions are not written",
    "test_an_output_that_is_a_fifo_is_refused": "it is replaced by a file",
    "test_an_output_that_is_a_device_is_refused": "the link is replaced by a file",
    "test_a_film_that_changes_while_it_is_read[film.npy-truncate]": "SIGBUS",
    "test_too_little_memory[torch.empty(10**15)]": "torch's error is unexpected",
}
"""Tests that fail, and why."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "faults" in item.path.parts and item.name in KNOWN:
            item.add_marker(pytest.mark.xfail(reason=KNOWN[item.name]))
