"""Fuzzing: damaged files of every format bring documented errors, and nothing else."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import corpus  # noqa: F401
from corpus.mutations import Damage
from corpus.runner import Reader
from corpus.targets import TARGETS

MINUTES = float(os.environ.get("FUZZ_MINUTES", "0"))
"""How long all targets are fuzzed together; 0 is the short run of every test."""

EXAMPLES = 25
"""Damaged files of each format in the short run, and of a round of the long one."""

DAMAGES = st.builds(
    Damage,
    source=st.integers(0, 10),
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 3),
)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files(name: str, reader: Reader) -> None:
    target = TARGETS[name]
    folder = Path(tempfile.mkdtemp(prefix="corpus-")).resolve()
    path = folder / target.file_name
    n_files = 0

    def check(damage: Damage) -> None:
        nonlocal n_files
        n_files += 1
        content = damage.done_to(target.files, target.mutations)
        path.write_bytes(content)
        result = reader.read(path, folder, kind=target.kind, is_first_only=True)
        if result.problems and (kept := os.environ.get("FUZZ_KEEP")):
            shutil.copy(path, Path(kept) / f"{damage.seed}-{path.name}")
        assert not result.problems, f"{damage}: {result.problems}"

    def fuzz(number: int) -> None:
        def check_one(damage: Damage) -> None:
            # Its settings may be given only once.
            check(damage)

        given(damage=DAMAGES)(
            settings(
                max_examples=EXAMPLES,
                derandomize=not MINUTES,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )(seed(number)(check_one) if MINUTES else check_one)
        )()

    ends = time.monotonic() + 60 * MINUTES / len(TARGETS)
    number = time.time_ns() % 2**32
    try:
        fuzz(number)
        while MINUTES and time.monotonic() < ends:
            number += 1
            fuzz(number)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        print(f"{name}: {n_files:,} damaged files")
