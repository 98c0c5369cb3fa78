"""The dock that measures the quantities of cells.

`cells` reads the cells at the vectors of a field from layers, `region_chooser` lists
these layers, `other_chooser` lists tractions to compare with, `traction_list` those to
measure side by side, `sources` reads what is measured from layers, `measuring` measures
in a thread, and `table`, `plot`, `drawing` and `features` show the results.
"""
