"""How models are spoken to: one file per wire format, and the transport under them."""
