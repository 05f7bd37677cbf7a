"""What a local model costs: CPU of `HFTransformers` against plain `generate` on the same rows.

Both ways load the same model, sample the same number of tokens for the same prompts and decode them; only the second
sorts, keys, records and draws by request. CPU is user and system time after loading, of one process and one thread;
wall time on a shared machine says little.

    python benchmarks/local.py                      # the toy model and a random one with 32,000 tokens
    python benchmarks/local.py --rows 512 --tokens 32 --batch 16
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1] / "src"))


def prompts(count: int) -> list[str]:
    choose = random.Random(0)
    words = ["write", "a", "short", "review", "of", "the", "lamp", "that", "came", "late", "and", "say", "it", "works"]
    return [f"{number} " + " ".join(choose.choices(words, k=choose.randint(3, 60))) for number in range(count)]


def random_model(folder: Path) -> Path:
    """An untrained Llama of 10 million weights with a vocabulary of usual size, and the toy model's tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from datadreamer.bundled import toy_model_path

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32_000, hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=4, max_position_embeddings=1024, bos_token_id=None, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(toy_model_path()).save_pretrained(folder)
    return folder


def plain(folder: str, rows: list[str], tokens: int, batch: int) -> float:
    """What a script without a library does: batches in the order of the rows."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    start = time.process_time()
    for first in range(0, len(rows), batch):
        encoded = tokenizer(rows[first : first + batch], return_tensors="pt", padding=True)
        with torch.inference_mode():
            output = model.generate(
                **{name: encoded[name] for name in ("input_ids", "attention_mask")},
                max_new_tokens=tokens, min_new_tokens=tokens, do_sample=True, top_k=0, pad_token_id=0,
            )  # fmt: skip
        tokenizer.batch_decode(output[:, encoded.input_ids.shape[1] :], skip_special_tokens=True)
    return time.process_time() - start


def ours(folder: str, rows: list[str], tokens: int, batch: int, again: bool = False) -> float:
    """The same through the library, every answer recorded; `again`: the same rows a second time."""
    from datadreamer import _context
    from datadreamer.ledger import Ledger
    from datadreamer.llms import HFTransformers

    with tempfile.TemporaryDirectory() as place:
        ledger = Ledger.open(Path(place) / "ledger.sqlite")
        with _context.running(_context.StepScope("benchmark", "", ledger)):
            llm = HFTransformers(folder, chat_prompt_template=None, device="cpu")
            assert llm.model is not None and llm.tokenizer is not None
            start = 0.0
            for _ in range(1 + again):
                start = time.process_time()
                llm.run(rows, max_new_tokens=tokens, min_new_tokens=tokens, batch_size=batch)
            spent = time.process_time() - start
        ledger.close()
    return spent


def measure(way: str, folder: str, rows: int, tokens: int, batch: int) -> float:
    """CPU seconds of one way in a fresh process: the least of three, for caches are shared with other work."""
    command = [sys.executable, str(HERE), "--way", way, "--model", folder]
    command += ["--rows", str(rows), "--tokens", str(tokens), "--batch", str(batch)]
    return min(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(3))


def one(way: str, folder: str, rows: int, tokens: int, batch: int) -> float:
    import torch

    torch.set_num_threads(1)
    ways = {"plain": plain, "ours": ours, "again": lambda *given: ours(*given, again=True)}
    return ways[way](folder, prompts(rows), tokens, batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--way", choices=["plain", "ours", "again"], help=argparse.SUPPRESS)
    parser.add_argument("--model", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        print(one(given.way, given.model, given.rows, given.tokens, given.batch))
        return
    from datadreamer.bundled import toy_model_path

    with tempfile.TemporaryDirectory() as place:
        print(f"{given.rows} rows of {given.tokens} tokens in batches of {given.batch}, CPU seconds:")
        for name, folder in (("toy model", toy_model_path()), ("random, 32k tokens", str(random_model(Path(place))))):
            spent = {way: measure(way, folder, given.rows, given.tokens, given.batch) for way in ("plain", "ours")}
            again = measure("again", folder, given.rows, given.tokens, given.batch)
            ratio = spent["ours"] / spent["plain"]
            print(
                f"  {name:20} generate {spent['plain']:6.2f}   ours {spent['ours']:6.2f}   ratio {ratio:.2f}   "
                f"remembered {again:.3f}"
            )


if __name__ == "__main__":
    main()
