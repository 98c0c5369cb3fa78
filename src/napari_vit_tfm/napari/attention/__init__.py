"""The attention dock: what the network attends to for the patch that is clicked.

``mouse_and_keys`` turns clicks into positions, ``inspector`` these into a
``view``, for which ``requests`` are computed in a thread. ``layers`` draws the
map over the field. ``dock`` and its ``controls`` are at the side of napari's
window, ``panel`` with ``gallery`` and ``plots`` below the picture. ``export``
saves what is known.
"""
