"""The traction dock: from displacements to tractions, computed in a thread."""
