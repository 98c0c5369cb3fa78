"""What a network attends to for the tractions of one patch, and whether it matters.

``patches`` is the grid of patches over a field; ``frame`` has the attention of
one frame; ``overlay`` draws a map over the field. ``influence`` and
``faithfulness`` are what a map is held against. ``patch`` gathers all that is
known about a patch; ``captions`` says it in words, ``figures`` draws it, and
``export`` writes it to a file.
"""
