"""Text tables of other programs: `lines` reads numbers, `columns` names of columns.

`layouts` has the columns of each program, and `parameters` reads the parameters that
ImageJ's FTTC plugin writes into a file of its own.
"""
