"""The network's attention for one patch, and tests of whether it is meaningful.

``patches`` is the grid of patches over a field; ``frame`` prepares one frame for a
method and computes its attention; ``overlay`` draws a map over the field.
``influence``, ``knockout`` and ``faithfulness`` compute the measures that a map is
compared with, and report their progress to ``callbacks``; ``changes`` is the traction
in a patch and its relative change. ``patch`` collects all results for one patch;
``captions`` describes them in words, ``figures`` draws them, and ``export`` writes them
to a file.
"""
