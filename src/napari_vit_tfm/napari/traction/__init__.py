"""The traction dock, which computes tractions from displacements in a thread."""
