"""Methods compared on fields whose tractions are known.

``metrics`` are the scores. ``solvers`` makes every method a function from
displacements to tractions; ``evaluate`` scores them on given fields, ``kinds``
on those of ``held_out``. ``tables``, ``kinds_tables`` and ``figures`` show what
they found.
"""
