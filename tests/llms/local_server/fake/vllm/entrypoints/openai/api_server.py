"""Stands where vLLM's own server stands."""

from fake_server import main

main("--served-model-name", "VLLM_API_KEY")
