"""`LlamaCpp` with a real server of llama.cpp: start, readiness, answers, seeds, a grammar, a schema, its end.

Needs `llama-server` (of llama.cpp's releases), or llama-cpp-python, which compiles for about eleven CPU minutes; and a
GGUF file, for example one that llama.cpp's `convert_hf_to_gguf.py` writes:

    python -m venv /tmp/llama && /tmp/llama/bin/pip install "llama-cpp-python[server]"
    python benchmarks/llama_cpp_real.py model.gguf --executable /tmp/llama/bin/python
    python benchmarks/llama_cpp_real.py model.gguf --executable llama-server
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))


def main() -> None:
    from datadreamer.llms import LlamaCpp

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a GGUF file")
    parser.add_argument("--executable", help="llama-server, or an interpreter that has llama-cpp-python")
    parser.add_argument("--rows", type=int, default=16)
    arguments = parser.parse_args()
    prompts = [f"Write a review of lamp {number}." for number in range(arguments.rows)]

    llm = LlamaCpp(arguments.model, max_context_length=256, executable=arguments.executable)
    started = time.monotonic()
    llm.start()
    print(f"ready after {time.monotonic() - started:.0f} s")

    started = time.monotonic()
    greedy = llm.run(prompts, temperature=0, max_new_tokens=24)
    print(f"{len(greedy)} greedy answers in {time.monotonic() - started:.1f} s, for example {greedy[0]!r}")
    drawn = [llm.run(prompts[:4], seed=seed, max_new_tokens=16) for seed in (1, 1, 2)]
    print(f"the same seed gives the same draws: {drawn[0] == drawn[1]}; another seed others: {drawn[0] != drawn[2]}")
    grammar = 'root ::= "yes" | "no"'
    print(f"by a grammar: {llm.run(prompts[:4], grammar=grammar, max_new_tokens=8)}")
    print(f"a whole number: {llm.run(prompts[:2], output_type=int, max_new_tokens=8)}")
    print(f"up to the first space: {llm.run(prompts[:2], stop=' ', temperature=0, max_new_tokens=24)}")
    llm.unload_model()
    print("ended")


if __name__ == "__main__":
    main()
