"""Damaged and borderline files are read or refused, as it is documented.

Each case is a file that a script writes. It is read in a child process, in all public
ways. Nothing but a documented error may come out: no crash, no hang, no file opened but
the one given and its partners, no more than 5 s of computing, no more than twice the
memory of what is in the file.
"""

from __future__ import annotations

import os
import sys

import pytest

from corpus import CASES, Case, Refuses
from corpus.runner import NOT_MADE, Reader, Result, run_case, run_cases

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="many cases are special files of POSIX"
)

IS_WHOLE = os.environ.get("CORPUS") == "all"
"""Whether the slow cases, too, are read, and all in every way: `make corpus`."""

EVERY = 3
"""Otherwise, only each third case is read."""

EVERY_IN_MORE_WAYS = 5
"""Of these, each fifth one is read in more ways than the first one."""


def selected() -> list[Case]:
    if IS_WHOLE:
        return list(CASES.values())
    return [case for case in CASES.values() if not case.is_slow][::EVERY]


@pytest.fixture(scope="module")
def results(reader: Reader) -> dict[str, Result]:
    cases = [(case, how(number)) for number, case in enumerate(selected())]
    if IS_WHOLE:
        return run_cases(cases, n_children=min(4, os.cpu_count() or 1))
    return {case.name: run_case(reader, case, **how) for case, how in cases}


def how(number: int) -> dict[str, bool]:
    """How a case is read."""
    is_first_only = not IS_WHOLE and number % EVERY_IN_MORE_WAYS > 0
    return {"is_whole": IS_WHOLE, "is_first_only": is_first_only}


@pytest.mark.parametrize("name", [case.name for case in selected()])
def test_a_file(name: str, results: dict[str, Result]) -> None:
    if results[name].outcome == NOT_MADE:
        pytest.skip("the file cannot be made")
    assert results[name].problems == ()


def test_there_are_cases_of_every_kind() -> None:
    assert len(CASES) >= 300
    kinds = {case.kind for case in CASES.values()}
    assert len(kinds) == 6
    for kind in kinds:
        of_kind = [case for case in CASES.values() if case.kind == kind]
        n_refused = sum(isinstance(case.expected, Refuses) for case in of_kind)
        # A reader that refuses everything, or nothing, is noticed.
        assert 0 < n_refused < len(of_kind), kind
