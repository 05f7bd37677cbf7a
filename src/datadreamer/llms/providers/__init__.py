"""Who serves models: one small file per service, with what is different about it."""
