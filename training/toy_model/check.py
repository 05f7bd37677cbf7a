"""Measure the toy model on combinations of product and feature that it was never trained on.

    python training/toy_model/check.py [folder]

Prints a table and exits with 1 when a bound is missed. Reviews are sampled at temperature 0.7, the rest is greedy.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from grammar import (
    Example,
    Facts,
    ask_fields,
    ask_sentiment,
    ask_title,
    ask_yes_or_no,
    documents_task,
    draw_facts,
    few_shot_task,
    invented_word,
    judge_inputs_task,
    judge_responses_task,
    process_task,
    review_task,
)
from lexicon import sentiment_of
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

MODEL = Path(__file__).parents[2] / "src" / "datadreamer" / "bundled" / "toy_model"


def answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: list[Example],
    *,
    temperature: float = 0.0,
    max_new_tokens: int = 80,
    batch_size: int = 50,
) -> list[str]:
    """What the model says where each example ends with the right answer; temperature 0 is greedy."""
    texts = []
    for start in range(0, len(examples), batch_size):
        prompts = tokenizer.apply_chat_template(
            [example.messages[:-1] for example in examples[start : start + batch_size]],
            add_generation_prompt=True,
            padding=True,
            return_tensors="pt",
            return_dict=True,
        )
        sampling = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
        with torch.inference_mode():
            ids = model.generate(**prompts, max_new_tokens=max_new_tokens, max_length=None, **sampling)
        texts += tokenizer.batch_decode(ids[:, prompts["input_ids"].shape[1] :], skip_special_tokens=True)
    return texts


# ---------------------------------------------------------------- what counts as right


def names(text: str, noun: str) -> bool:
    return re.search(rf"\b{re.escape(noun)}\b", text, re.IGNORECASE) is not None


def good_review(example: Example, answer: str) -> bool:
    """Names the product (and the feature, if asked for), has the asked sentiment only, and is not cut off."""
    facts = example.facts
    on_topic = names(answer, facts.product) and (example.task == "review" or names(answer, facts.feature))
    return on_topic and sentiment_of(answer) == facts.sentiment and answer.endswith((".", "!"))


def good_title(example: Example, answer: str) -> bool:
    facts = example.facts
    return names(answer, facts.product) and names(answer, facts.feature) and sentiment_of(answer) == facts.sentiment


def same_json(example: Example, answer: str) -> bool:
    try:
        return json.loads(answer) == json.loads(example.messages[-1]["content"])
    except json.JSONDecodeError:
        return False


def same_text(example: Example, answer: str) -> bool:
    return answer == example.messages[-1]["content"]


# ---------------------------------------------------------------- what is measured


@dataclass(frozen=True)
class Measure:
    """A row of the table. Without a bound it is for information."""

    name: str
    bound: float | None
    make: Callable[[random.Random, Facts], Example]
    right: Callable[[Example, str], bool]
    temperature: float = 0.0


MEASURES = [
    Measure("review: on topic, right sentiment", 0.95, review_task, good_review, temperature=0.7),
    Measure("sentiment label", 0.95, lambda rng, f: process_task(rng, f, ask_sentiment, "label"), same_text),
    Measure("JSON with the right fields", 0.95, lambda rng, f: process_task(rng, f, ask_fields, "fields"), same_json),
    Measure("better of two answers", 0.85, judge_responses_task, same_text),
    Measure("better of two inputs", 0.85, lambda rng, f: judge_inputs_task(rng, f, kind="quality"), same_text),
    Measure("more positive of two inputs", None, lambda rng, f: judge_inputs_task(rng, f, kind="sentiment"), same_text),
    Measure("input about a product", None, lambda rng, f: judge_inputs_task(rng, f, kind="product"), same_text),
    Measure("input about a feature", None, lambda rng, f: judge_inputs_task(rng, f, kind="feature"), same_text),
    Measure("Yes or No about a review", None, lambda rng, f: process_task(rng, f, ask_yes_or_no, "filter"), same_text),
    Measure("title", None, lambda rng, f: process_task(rng, f, ask_title, "title"), good_title),
    Measure("few-shot label", None, lambda rng, f: few_shot_task(rng, "held_out", ask=ask_sentiment), same_text),
    Measure("question about documents", None, documents_task, same_text),
    Measure("review of an invented product", None, lambda rng, f: review_task(rng, invent(rng, f)), good_review, 0.7),
]


def invent(rng: random.Random, facts: Facts) -> Facts:
    """The same facts about a product whose name is in no list."""
    word = invented_word(rng)
    return replace(facts, product=word, head=word)


def score(
    measure: Measure, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, count: int, seed: int
) -> tuple[float, list[tuple[Example, str]]]:
    """The share of right answers, and the wrong ones."""
    rng = random.Random(f"{measure.name}/{seed}")
    torch.manual_seed(seed)
    examples = [measure.make(rng, draw_facts(rng, "held_out")) for _ in range(count)]
    given = answers(model, tokenizer, examples, temperature=measure.temperature)
    wrong = [(example, text) for example, text in zip(examples, given, strict=True) if not measure.right(example, text)]
    return 1 - len(wrong) / count, wrong


def distinct_share(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, count: int, seed: int) -> float:
    """How many of the reviews drawn for one and the same prompt at temperature 1 are different texts."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    example = review_task(rng, draw_facts(rng, "held_out"), feature=False)
    return len(set(answers(model, tokenizer, [example] * count, temperature=1.0))) / count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=MODEL)
    parser.add_argument("--count", type=int, default=500, help="examples per row")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--show", type=int, default=0, help="wrong answers to print per row")
    args = parser.parse_args()

    tokenizer = AutoTokenizer.from_pretrained(args.folder)
    model = AutoModelForCausalLM.from_pretrained(args.folder).eval()
    missed = False
    print(f"{'measure':36}{'score':>8}{'bound':>8}   ({args.count} held-out examples each)")
    for measure in MEASURES:
        reached, wrong = score(measure, model, tokenizer, args.count, args.seed)
        low = measure.bound is not None and reached < measure.bound
        missed |= low
        bound = "-" if measure.bound is None else f"{measure.bound:.0%}"
        print(f"{measure.name:36}{reached:8.1%}{bound:>8}{'   missed' if low else ''}", flush=True)
        for example, text in wrong[: args.show]:
            print("   ", json.dumps([*(m["content"] for m in example.messages), text], ensure_ascii=False))
    distinct = distinct_share(model, tokenizer, args.count, args.seed)
    print(f"{'distinct reviews, one prompt, T=1':36}{distinct:8.1%}{'-':>8}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
