"""Steps that bring data in."""
