"""Comparison of methods on fields with known tractions.

``metrics`` computes the scores. ``solvers`` wraps each method as a function from
displacements to tractions. ``evaluate`` scores methods on given fields, ``kinds`` on
the fields of ``held_out``. ``tables``, ``kinds_tables`` and ``figures`` report the
results.
"""
