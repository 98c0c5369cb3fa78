"""Text tables of other programs.

`lines` reads numbers, `columns` names of columns; `named` and `unnamed` find out which
columns are what, in a table with names of columns and without; `vectors` puts the
vectors on their grid. `marks` decides which vectors are missing, `directions` where y
points, and `parameters` reads the parameters that ImageJ's FTTC plugin writes.
"""
