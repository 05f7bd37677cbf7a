"""Models that run in this process: what they are, loading them, generating from them in batches."""
