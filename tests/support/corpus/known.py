"""Cases that are known to fail, each with its reason."""

from __future__ import annotations

KNOWN: dict[str, str] = {}
"""Reason by name of the case; the test fails as soon as the case does not."""
