"""The bundled toy model is what its card says: small, standard, loadable offline, and able to do its few tasks."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from datadreamer.bundled import toy_model_path  # noqa: E402

TRAINING = Path(__file__).parents[2] / "training" / "toy_model"
sys.path.insert(0, str(TRAINING))

import check  # noqa: E402
import grammar  # noqa: E402
import lexicon  # noqa: E402
import train  # noqa: E402

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Write a positive review of a kettle."},
    {"role": "assistant", "content": "I love this kettle."},
]


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.AutoTokenizer.from_pretrained(toy_model_path())


@pytest.fixture(scope="module")
def model():
    return transformers.AutoModelForCausalLM.from_pretrained(toy_model_path()).eval()


def test_folder_is_smaller_than_12_megabytes():
    files = [file for file in Path(toy_model_path()).rglob("*") if file.is_file()]
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= {file.name for file in files}
    assert sum(file.stat().st_size for file in files) < 12_000_000


def test_asking_for_the_path_loads_no_heavy_library():
    code = (
        "import sys; from datadreamer.bundled import toy_model_path; toy_model_path();"
        "print([m for m in ('torch', 'transformers', 'numpy', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_chat_template_renders_system_user_and_assistant(tokenizer):
    assert tokenizer.apply_chat_template(CHAT, tokenize=False) == (
        "<|start|><|system|>Be brief.<|end|><|user|>Write a positive review of a kettle.<|end|>"
        "<|assistant|>I love this kettle.<|end|>"
    )
    prompt = tokenizer.apply_chat_template(CHAT[:2], tokenize=False, add_generation_prompt=True)
    assert prompt.endswith("kettle.<|end|><|assistant|>")


def test_chat_template_marks_what_the_assistant_says(tokenizer):
    encoded = tokenizer.apply_chat_template(CHAT, return_dict=True, return_assistant_tokens_mask=True)
    said = [i for i, mark in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if mark]
    assert tokenizer.decode(said) == "I love this kettle.<|end|>"


def test_chat_template_gives_the_tokens_the_model_was_trained_on(tokenizer):
    ids, _ = train.encode(tokenizer, CHAT)
    assert tokenizer.apply_chat_template(CHAT, return_dict=True)["input_ids"] == ids


@pytest.mark.parametrize("text", ["naïve café", "Привет, 世界 🙂", "tabs\tand\nlines", "  spaces  "])
def test_any_text_survives_the_tokenizer(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_special_tokens_agree_between_tokenizer_and_model(tokenizer, model):
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        assert getattr(tokenizer, name) == getattr(model.config, name) == getattr(model.generation_config, name)
    assert len({tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}) == 3


def test_training_text_never_shows_a_held_out_pair():
    features = sorted(lexicon.FEATURES, key=len, reverse=True)
    feature_pattern = re.compile(rf"\b({'|'.join(map(re.escape, features))})\b", re.IGNORECASE)
    product_pattern = re.compile(rf"\b({'|'.join(map(re.escape, lexicon.ALL_PRODUCTS))})\b", re.IGNORECASE)
    rng, pairs = random.Random(0), set()
    for _ in range(3000):
        stages = rng.choice([grammar.READING, grammar.MATCHING])
        example = grammar.draw_example(rng, stages, progress=rng.random())
        if example.task == "list":  # names products and features side by side, none of another
            continue
        for line in "\n".join(message["content"] for message in example.messages).splitlines():
            line = line.replace("easy to taste", "")  # a verb there, not the feature
            found = {match.lower() for match in feature_pattern.findall(line)}
            for product in product_pattern.findall(feature_pattern.sub("", line)):
                pairs |= {(product.lower(), feature) for feature in found}
    assert len(pairs) > 1000
    assert [pair for pair in pairs if grammar.is_held_out(*pair)] == []


@pytest.mark.parametrize("measure", [m for m in check.MEASURES if m.bound], ids=lambda m: m.name)
def test_tasks_succeed_on_held_out_combinations(model, tokenizer, measure):
    # A quick look: check.py measures the bound itself, on many more examples.
    reached, wrong = check.score(measure, model, tokenizer, count=40, seed=3)
    assert reached >= measure.bound - 0.1, wrong


def test_reviews_of_one_prompt_differ(model, tokenizer):
    assert check.distinct_share(model, tokenizer, count=100, seed=3) >= 0.95


def test_it_can_be_fine_tuned_with_lora(model, tokenizer):
    peft = pytest.importorskip("peft")
    adapted = peft.get_peft_model(
        transformers.AutoModelForCausalLM.from_pretrained(toy_model_path()),
        peft.LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=["q_proj", "v_proj"]),
    )
    optimizer = torch.optim.AdamW(adapted.parameters(), lr=1e-2)
    batch = tokenizer(["A spotless kettle, says the walrus."], return_tensors="pt")
    losses = []
    for _ in range(5):
        loss = adapted(**batch, labels=batch["input_ids"]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_it_loads_as_a_classifier(tokenizer):
    classifier = transformers.AutoModelForSequenceClassification.from_pretrained(toy_model_path(), num_labels=3)
    batch = tokenizer(["I love this kettle.", "No."], padding=True, return_tensors="pt")
    assert classifier(**batch).logits.shape == (2, 3)
