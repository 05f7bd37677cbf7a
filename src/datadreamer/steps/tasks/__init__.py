"""Steps that ask a model made for one task."""
