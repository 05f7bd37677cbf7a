"""Steps that ask a language model."""
