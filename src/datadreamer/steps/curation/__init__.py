"""Steps that choose rows by their texts: duplicates, filters, diversity."""
