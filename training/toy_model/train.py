"""Train the toy model from scratch, tokenizer included, on text that `grammar.py` makes up as it goes.

    python training/toy_model/train.py --output src/datadreamer/bundled/toy_model

One process, one core is enough. The same arguments give the same model on the same machine.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from grammar import MATCHING, READING, Stages, draw_example
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

START, END, PAD = "<|start|>", "<|end|>", "<|pad|>"
ROLES = ["<|system|>", "<|user|>", "<|assistant|>"]
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + eos_token }}{% endgeneration %}"
    "{% else %}{{ message['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
CONTEXT = 1024
VOCABULARY = 2048
BATCH_TOKENS = 2048
PARTS = [(READING, 6000), (MATCHING, 4500)]
ATTENTION = "eager"  # for short rows on a CPU the fused kernel's backward pass takes twice as long
IGNORED = -100


def train_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE: the grammar's words are mostly one token, any other Unicode text falls back to bytes."""
    rng = random.Random(seed)
    texts = ["\n".join(message["content"] for message in draw_example(rng).messages) for _ in range(20_000)]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=[PAD, START, END, *ROLES],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            min_frequency=20,  # invented words stay in pieces
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=ROLES,
        chat_template=CHAT_TEMPLATE,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )


def new_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    special["pad_token_id"] = tokenizer.pad_token_id
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=5,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        **special,
    )
    model = LlamaForCausalLM._from_config(config, attn_implementation=ATTENTION)
    model.generation_config = GenerationConfig(
        do_sample=True, temperature=1.0, top_p=1.0, max_length=CONTEXT, **special
    )
    return model


# ---------------------------------------------------------------- batches

Row = tuple[list[int], list[int]]  # token ids, labels


def encode(tokenizer: PreTrainedTokenizerFast, messages: list[dict[str, str]], *, plain: bool = False) -> Row:
    """Token ids and labels; only what the assistant says is learned. `plain`: the last answer alone, not as a chat."""
    ids = [tokenizer.bos_token_id]
    labels = [IGNORED]
    for message in messages[-1:] if plain else messages:
        content = [*tokenizer.backend_tokenizer.encode(message["content"]).ids, tokenizer.eos_token_id]
        learned = message["role"] == "assistant"
        if not plain:
            ids.append(tokenizer.convert_tokens_to_ids(f"<|{message['role']}|>"))
            labels.append(IGNORED)
        ids += content
        labels += content if learned else [IGNORED] * len(content)
    return ids, labels


def batches(
    tokenizer: PreTrainedTokenizerFast, stages: Stages, seed: int, tokens: int, steps: int
) -> Iterator[list[Row]]:
    """`steps` batches of about `tokens` tokens. Rows of like length go together, so that little is padding."""
    rng = random.Random(seed)
    done = 0
    while done < steps:
        examples = [draw_example(rng, stages, done / steps) for _ in range(2000)]
        rows = [
            encode(tokenizer, example.messages, plain=example.task.startswith("review") and rng.random() < 0.05)
            for example in examples
        ]
        rows.sort(key=lambda row: len(row[0]))
        pool: list[list[Row]] = [[]]
        for row in rows:
            if (len(pool[-1]) + 1) * len(row[0]) > tokens:
                pool.append([])
            pool[-1].append(row)
        rng.shuffle(pool)
        yield from pool[: steps - done]
        done += len(pool)


def answer_loss(model: LlamaForCausalLM, rows: list[Row]) -> torch.Tensor:
    """Cross-entropy on the answers.

    A token weighs 1/sqrt(length of the answers of its row): the one word of a verdict would otherwise drown in the
    thirty words of a review. Rows are padded on the right, which a causal model cannot see.
    """
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in rows])
    labels = torch.tensor([labels + [IGNORED] * (width - len(labels)) for _, labels in rows])[:, 1:]
    learned = labels != IGNORED
    weights = (learned.sum(1, keepdim=True).float().rsqrt() * learned)[learned]
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    logits = model.lm_head(hidden[learned]).float()
    losses = torch.nn.functional.cross_entropy(logits, labels[learned], reduction="none")
    return (losses * weights).sum() / weights.sum()


# ---------------------------------------------------------------- training


def new_optimizers(model: LlamaForCausalLM) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for the embedding and the norms."""
    inside = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    rest = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(inside, lr=3e-3, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=1.5e-3, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def rate(step: int, steps: int, warmup: int = 200, decay: float = 0.4) -> float:
    """The learning rate as a share of its peak: warm up, hold, and come down to zero over the last part."""
    return min(1.0, (step + 1) / warmup, (steps - step) / (steps * decay))


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    tokenizer.save_pretrained(folder)
    config = folder / "tokenizer_config.json"
    content = json.loads(config.read_text())
    # The names that every version of transformers knows.
    content["tokenizer_class"] = "PreTrainedTokenizerFast"
    content["additional_special_tokens"] = content.pop("extra_special_tokens", ROLES)
    config.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def train_part(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, stages: Stages, steps: int, seed: int, output: Path
) -> None:
    """One run of the learning rate up and down, with new optimizers. Prints the loss, saves every 250 steps."""
    optimizers = new_optimizers(model)
    started, seen, shown = time.monotonic(), 0, 0.0
    for step, rows in enumerate(batches(tokenizer, stages, seed, BATCH_TOKENS, steps)):
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate(step, steps)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = answer_loss(model, rows)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        seen += sum(len(ids) for ids, _ in rows)
        shown = loss.item() if step == 0 else 0.98 * shown + 0.02 * loss.item()
        if (step + 1) % 50 == 0:
            minutes = (time.monotonic() - started) / 60
            print(f"step {step + 1:5d}  loss {shown:.4f}  {seen:,} tokens  {minutes:.1f} minutes", flush=True)
        if (step + 1) % 250 == 0 or step + 1 == steps:
            save(model, tokenizer, output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for the model")
    parser.add_argument("--start-from", type=Path, help="skip the first part: go on with the model it left in a folder")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    if args.start_from:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(args.start_from)
        model = LlamaForCausalLM.from_pretrained(args.start_from, attn_implementation=ATTENTION).train()
    else:
        tokenizer = train_tokenizer(args.seed)
        model = new_model(tokenizer)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(tokenizer)} tokens in the vocabulary")

    for number, (stages, steps) in enumerate(PARTS):
        if number == 0 and args.start_from:
            continue
        print(f"part {number + 1}: {steps} steps")
        train_part(model, tokenizer, stages, steps, args.seed + number, args.output)


if __name__ == "__main__":
    main()
