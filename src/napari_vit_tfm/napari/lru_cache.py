"""A cache of the most recently used values, as long as their owners exist."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LRUCache(Generic[Key, Value]):
    """A cache that keeps a fixed number of the most recently used values.

    A value is removed with its owner, such as the layer from which it was computed.

    Parameters
    ----------
    size : int
        Maximum number of values.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[Key, tuple[Value, weakref.ref[Any]]] = OrderedDict()

    def __iter__(self) -> Iterator[Key]:
        return iter(self._values)

    def get(self, key: Key) -> Value | None:
        """The value of a key; None if it is not in the cache."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        value, _ = self._values[key]
        return value

    def put(self, key: Key, value: Value, *, owner: Any) -> None:
        """Add a value, and drop the least recently used one if the cache is full.

        Parameters
        ----------
        key, value : object
            The value and its key, neither of which must refer to the owner.
        owner : object, keyword-only
            The value is removed when this object is deleted.
        """
        reference = weakref.ref(owner, lambda _: self._values.pop(key, None))
        self._values[key] = value, reference
        self._values.move_to_end(key)
        while len(self._values) > self._size:
            self._values.popitem(last=False)

    def clear(self) -> None:
        """Remove all values."""
        self._values.clear()
