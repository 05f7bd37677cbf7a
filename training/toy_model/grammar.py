"""The small tasks the toy model is trained on, as chat messages and the right answer.

Prompts have the layouts that DataDreamer's steps send. Which (product, feature) pairs are held out is decided by a
hash of their names, so a pair is never trained on in any task, whatever the seed and the order of the draws.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from lexicon import (
    ADJECTIVES,
    ALL_PRODUCTS,
    CATEGORY_FEATURES,
    CLOSERS,
    FEATURES,
    FEELINGS,
    KNOWN_WORDS,
    MODIFIERS,
    OUTCOMES,
    PERSONS,
    PREDICATES,
    PRODUCTS,
    SENTIMENT_SYNONYMS,
    SENTIMENTS,
    TIMES,
    USES,
)

Split = Literal["train", "held_out"]
Message = dict[str, str]


@dataclass(frozen=True)
class Facts:
    """What a review is about. `product` may carry a modifier ("red kettle"); `head` is the product in the lists."""

    product: str
    head: str
    feature: str
    sentiment: str


@dataclass(frozen=True)
class Example:
    """One conversation ending in an answer of the assistant, and what it was made from (for the check)."""

    task: str
    messages: list[Message]
    facts: Facts


# ---------------------------------------------------------------- facts


def is_held_out(head: str, feature: str) -> bool:
    """One pair of product and feature in ten is kept for the check."""
    return hashlib.sha256(f"{head}/{feature}".encode()).digest()[0] < 26


def invented_word(rng: random.Random) -> str:
    """A word that is in no list, so that the model has to learn copying and not only recall."""
    while True:
        syllables = [rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(rng.randint(2, 3))]
        word = "".join(syllables) + rng.choice(["", "n", "r", "x", "l"])
        if word not in KNOWN_WORDS:
            return word


def draw_facts(rng: random.Random, split: Split, *, invented: float = 0.08) -> Facts:
    sentiment = rng.choice(SENTIMENTS)
    while True:
        category = rng.choice(list(PRODUCTS))
        head = rng.choice(PRODUCTS[category])
        feature = rng.choice(CATEGORY_FEATURES[category] if rng.random() < 0.75 else list(FEATURES))
        if is_held_out(head, feature) == (split == "held_out"):
            break
    product = f"{rng.choice(MODIFIERS)} {head}" if rng.random() < 0.3 else head
    if split == "train" and rng.random() < invented:
        head = product = invented_word(rng)
    return Facts(product, head, feature, sentiment)


def opposite(sentiment: str) -> str:
    return "negative" if sentiment == "positive" else "positive"


def other_product(rng: random.Random, facts: Facts) -> Facts:
    """Facts about a different product, with the feature and the sentiment kept where the split allows."""
    while True:
        other = draw_facts(rng, "train")
        if other.head != facts.head and (other.product == other.head or not is_held_out(other.head, facts.feature)):
            feature = facts.feature if not is_held_out(other.head, facts.feature) else other.feature
            return replace(other, feature=feature, sentiment=facts.sentiment)


def other_feature(rng: random.Random, facts: Facts) -> Facts:
    """Facts about a different feature of the same product."""
    while True:
        feature = rng.choice(list(FEATURES))
        if feature != facts.feature and not is_held_out(facts.head, feature):
            return replace(facts, feature=feature)


# ---------------------------------------------------------------- reviews


def with_article(noun: str) -> str:
    vowel = noun[0].lower() in "aeiou" and not noun.startswith(("use", "uni"))
    return f"{'an' if vowel else 'a'} {noun}"


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _about_product(rng: random.Random, f: Facts) -> str:
    adjective, feeling, outcome = (rng.choice(kind[f.sentiment]) for kind in (ADJECTIVES, FEELINGS, OUTCOMES))
    person, time, use = rng.choice(PERSONS), rng.choice(TIMES), rng.choice(USES)
    return rng.choice(
        [
            f"I {feeling} this {f.product}.",
            f"I {feeling} the {f.product} I bought {time}.",
            f"This {f.product} is {adjective}.",
            f"What {with_article(adjective)} {f.product}!",
            f"I bought this {f.product} {time} and {outcome}.",
            f"My {person} gave me this {f.product} {time} and {outcome}.",
            f"Like my {person}, I {feeling} this {f.product}.",
            f"I use this {f.product} {use} and {outcome}.",
            f"We got the {f.product} {time}, and it is {adjective}.",
            f"{with_article(adjective)} {f.product}, if you ask my {person}.",
            f"After a month with this {f.product}, {outcome}.",
            f"{adjective} {f.product}!",
        ]
    )


def _about_feature(rng: random.Random, f: Facts) -> str:
    predicate, adjective = rng.choice(PREDICATES[f.feature][f.sentiment]), rng.choice(ADJECTIVES[f.sentiment])
    person, use = rng.choice(PERSONS), rng.choice(USES)
    return rng.choice(
        [
            f"the {f.feature} {predicate}.",
            f"its {f.feature} {predicate}.",
            f"the {f.feature} is {adjective}.",
            f"it has {with_article(adjective)} {f.feature}.",
            f"the {adjective} {f.feature} shows {use}.",
            f"even my {person} noticed that the {f.feature} {predicate}.",
            f"the {f.feature} {predicate}, and that matters {use}.",
            f"as for the {f.feature}, it is simply {adjective}.",
        ]
    )


def _about_both(rng: random.Random, f: Facts) -> str:
    predicate, adjective = rng.choice(PREDICATES[f.feature][f.sentiment]), rng.choice(ADJECTIVES[f.sentiment])
    feeling, time, person = rng.choice(FEELINGS[f.sentiment]), rng.choice(TIMES), rng.choice(PERSONS)
    return rng.choice(
        [
            f"the {f.feature} of this {f.product} {predicate}.",
            f"this {f.product} has {with_article(adjective)} {f.feature}.",
            f"I {feeling} this {f.product} because the {f.feature} {predicate}.",
            f"I {feeling} the {f.feature} of this {f.product}.",
            f"I bought {with_article(f.product)} {time}, and the {f.feature} {predicate}.",
            f"my {person} says the {f.feature} of the {f.product} is {adjective}.",
            f"{adjective} {f.product}, {adjective} {f.feature}!",
            f"{with_article(adjective)} {f.product} whose {f.feature} {predicate}.",
        ]
    )


def write_review(rng: random.Random, f: Facts) -> str:
    """One to three sentences that name the product, its feature and the writer's sentiment."""
    sentences = [_about_both(rng, f)] if rng.random() < 0.4 else [_about_product(rng, f), _about_feature(rng, f)]
    if rng.random() < 0.5:
        sentences.append(rng.choice(CLOSERS[f.sentiment]))
    return " ".join(_capital(sentence) for sentence in sentences)


def write_title(rng: random.Random, f: Facts) -> str:
    adjective = rng.choice(ADJECTIVES[f.sentiment])
    return _capital(
        rng.choice([f"{adjective} {f.feature} on this {f.product}", f"{f.product} with {adjective} {f.feature}"])
    )


def spoil(rng: random.Random, text: str) -> str:
    """A review that stops in the middle, repeats itself or has lost its word order."""
    words = text.split()
    way = rng.random()
    if way < 0.4:
        return " ".join(words[: rng.randint(2, max(2, len(words) // 2))]).rstrip(".!,")
    if way < 0.6:
        rng.shuffle(words)
        return " ".join(words)
    if way < 0.8:
        start = rng.randrange(len(words))
        return " ".join(words[: start + 1] + [words[start]] * rng.randint(4, 10))
    return rng.choice(
        ["I do not know.", "N/A", "...", "As a model I cannot do that.", "Sure, here is a review:", "Hello!"]
    )


# ---------------------------------------------------------------- requests


def ask_for_review(rng: random.Random, f: Facts, *, feature: bool) -> str:
    """A request for a review, in one of many wordings."""
    word = f.sentiment if rng.random() < 0.75 else rng.choice(SENTIMENT_SYNONYMS[f.sentiment])
    product = with_article(f.product) if rng.random() < 0.85 else rng.choice([f"a {f.product}", f"the {f.product}"])
    kind = rng.choice(["review", "product review", "customer review", "short review"])
    a_review = with_article(f"{word} {kind}")
    if not feature:
        return rng.choice(
            [
                f"Write {a_review} of {product}.",
                f"Write {a_review} about {product}.",
                f"Generate {a_review} of {product}.",
                f"Please write {a_review} for {product}.",
                f"Give me {a_review} of {product}.",
                f"Write a {kind} of {product}. The sentiment should be {word}.",
                f"Write a {kind} of {product} with a {word} sentiment.",
                f"Product: {f.product}\nSentiment: {word}\n\nWrite the review.",
            ]
        )
    its = rng.choice([f"its {f.feature}", f"the {f.feature}"])
    return rng.choice(
        [
            f"Write {a_review} of {product} that mentions {its}.",
            f"Write {a_review} of {product} that mentions {its}.",
            f"Write {a_review} about {product} and mention {its}.",
            f"Generate {a_review} of {product} that talks about {its}.",
            f"Please write {a_review} for {product}. Mention {its}.",
            f"Give me {a_review} of {product}, focusing on {its}.",
            f"Write {a_review} of the {f.feature} of {product}.",
            f"Write a {kind} of {product} that discusses {its}. The sentiment should be {word}.",
            f"Product: {f.product}\nFeature: {f.feature}\nSentiment: {word}\n\nWrite the review.",
        ]
    )


def _answer_with(rng: random.Random, first: str, second: str) -> str:
    """The many ways in which an instruction names the two answers it allows."""
    if rng.random() < 0.3:
        first, second = second, first
    if rng.random() < 0.3:
        first, second = (f"'{first}'", f"'{second}'") if rng.random() < 0.6 else (f'"{first}"', f'"{second}"')
    return rng.choice(
        [
            f"Answer with {first} or {second}.",
            f"Answer {first} or {second}.",
            f"Respond with {first} or {second}.",
            f"Reply with {first} or {second} only.",
            f"Answer only with {first} or {second}.",
            f"Begin your answer with {first} or {second}.",
            f"{first} or {second}?",
        ]
    )


# A question is an instruction about a review and the right answer to it.
Question = tuple[str, str]
Ask = Callable[[random.Random, Facts], Question]


def ask_sentiment(rng: random.Random, f: Facts) -> Question:
    question = rng.choice(
        [
            "What is the sentiment of this review?",
            "What is the sentiment of the review?",
            "Is this review positive or negative?",
            "Classify the sentiment of this review.",
            "Label the review.",
            "How does the writer feel about the product?",
            "Decide whether the review is positive or negative.",
        ]
    )
    return f"{question} {_answer_with(rng, 'positive', 'negative')}", f.sentiment


def ask_fields(rng: random.Random, f: Facts) -> Question:
    verb = rng.choice(["Extract", "Return", "Give", "Find"])
    if rng.random() < 0.85:
        names = ["product", "feature", "sentiment"]
    else:
        names = rng.sample(["product", "feature", "sentiment"], 2)
    listed = ", ".join(f"the {name}" for name in names[:-1]) + f" and the {names[-1]}"
    keys = ", ".join(names)
    instruction = rng.choice(
        [
            f"{verb} {listed} as JSON.",
            f"{verb} {listed} as JSON.",
            f"{verb} {listed} of the review as JSON.",
            f"{verb} {listed} as a JSON object.",
            f"{verb} JSON with the keys {keys}.",
            f"{verb} the fields {keys} as JSON.",
        ]
    )
    values = {"product": f.product, "feature": f.feature, "sentiment": f.sentiment}
    return instruction, json.dumps({name: values[name] for name in names})


def ask_title(rng: random.Random, f: Facts) -> Question:
    instruction = rng.choice(
        [
            "Write a short title for this review.",
            "Write a title for the review.",
            "Give this review a title.",
            "What is a good title for this review?",
            "Summarize the review in a few words.",
        ]
    )
    return instruction, write_title(rng, f)


def ask_summary(rng: random.Random, f: Facts) -> Question:
    instruction = rng.choice(
        [
            "Summarize this review in one sentence.",
            "Write a one-sentence summary of the review.",
            "Summarize the review.",
        ]
    )
    likes = "likes" if f.sentiment == "positive" else "dislikes"
    return instruction, f"The customer {likes} the {f.product} because of its {f.feature}."


def ask_single_field(rng: random.Random, f: Facts) -> Question:
    if rng.random() < 0.5:
        return rng.choice(["Which product is reviewed?", "Name the product.", "What is the product?"]), f.product
    return rng.choice(["Which feature is mentioned?", "Name the feature.", "What feature is discussed?"]), f.feature


def ask_rewrite(rng: random.Random, f: Facts) -> Question:
    other = opposite(f.sentiment)
    instruction = rng.choice(
        [
            f"Rewrite this review so that it is {other}.",
            f"Rewrite the review with a {other} sentiment.",
            f"Turn this into a {other} review.",
        ]
    )
    return instruction, write_review(rng, replace(f, sentiment=other))


def ask_score(rng: random.Random, f: Facts) -> Question:
    instruction = rng.choice(
        [
            "Rate the sentiment of this review from 1 to 5.",
            "How many stars does this review give, from 1 to 5?",
            "On a scale from 1 to 5, how happy is the customer?",
        ]
    )
    hint = rng.choice([" Answer with a number.", " Respond with only a number.", ""])
    return instruction + hint, "5" if f.sentiment == "positive" else "1"


def ask_yes_or_no(rng: random.Random, f: Facts) -> Question:
    """A judgement as FilterWithPrompt asks for it: the right answer is Yes half of the time."""
    true = rng.random() < 0.5
    about = rng.random()
    if about < 0.3:
        sentiment = f.sentiment if true else opposite(f.sentiment)
        question = rng.choice([f"Is this review {sentiment}?", f"Is the sentiment of the review {sentiment}?"])
    elif about < 0.65:
        product = f.product if true else other_product(rng, f).product
        question = rng.choice(
            [
                f"Is this a review of {with_article(product)}?",
                f"Is this review about {with_article(product)}?",
                f"Does the review mention {with_article(product)}?",
            ]
        )
    else:
        feature = f.feature if true else other_feature(rng, f).feature
        question = rng.choice(
            [
                f"Does the review mention the {feature}?",
                f"Does this review talk about the {feature}?",
                f"Is the {feature} mentioned in the review?",
            ]
        )
    return f"{question} {_answer_with(rng, 'Yes', 'No')}", "Yes" if true else "No"


QUESTIONS: dict[Ask, float] = {
    ask_sentiment: 0.22,
    ask_yes_or_no: 0.26,
    ask_fields: 0.22,
    ask_title: 0.10,
    ask_summary: 0.06,
    ask_single_field: 0.06,
    ask_score: 0.04,
    ask_rewrite: 0.04,
}
FIRST_QUESTIONS: dict[Ask, float] = {
    ask_sentiment: 0.3,
    ask_fields: 0.3,
    ask_single_field: 0.2,
    ask_title: 0.1,
    ask_summary: 0.1,
}


VERDICTS: dict[Ask, float] = {ask_yes_or_no: 0.8, ask_fields: 0.1, ask_single_field: 0.1}


def _pick(rng: random.Random, questions: dict[Ask, float]) -> Ask:
    return rng.choices(list(questions), list(questions.values()))[0]


# ---------------------------------------------------------------- conversations


def chat(*turns: str) -> list[Message]:
    """Messages from texts: user, assistant, user, assistant, …"""
    return [{"role": "assistant" if i % 2 else "user", "content": text} for i, text in enumerate(turns)]


def review_task(rng: random.Random, f: Facts, *, feature: bool | None = None) -> Example:
    feature = rng.random() < 0.7 if feature is None else feature
    request = ask_for_review(rng, f, feature=feature)
    return Example("review_with_feature" if feature else "review", chat(request, write_review(rng, f)), f)


def process_task(rng: random.Random, f: Facts, ask: Ask, task: str) -> Example:
    """`Input: …`, a blank line, `Instruction: …`, as ProcessWithPrompt and FilterWithPrompt write it."""
    instruction, answer = ask(rng, f)
    return Example(task, chat(f"Input: {write_review(rng, f)}\n\nInstruction: {instruction}", answer), f)


def question_task(
    rng: random.Random, f: Facts, questions: dict[Ask, float] = QUESTIONS, *, more: float = 0.4
) -> Example:
    """Questions about one review. Follow-up questions in the same conversation make more of each training token."""
    ask = _pick(rng, questions)
    instruction, answer = ask(rng, f)
    review = write_review(rng, f)
    layout = rng.random()
    if layout < 0.85:
        first = f"Input: {review}\n\nInstruction: {instruction}"
    elif layout < 0.95:
        first = f"{instruction}\n\n{review}"
    else:
        first = f"{review}\n\n{instruction}"
    turns = [first, answer]
    while rng.random() < more and len(turns) < 8 and ask is not ask_rewrite:  # after that, which review is "this"?
        ask = _pick(rng, questions)
        turns += ask(rng, f)
    return Example("question", chat(*turns), f)


def few_shot_task(rng: random.Random, split: Split, *, ask: Ask | None = None) -> Example:
    """`Input: …`, `Output: …` pairs and a last input, as FewShotPrompt writes it."""
    ask = ask or rng.choice([ask_sentiment, ask_sentiment, ask_fields, ask_title])
    labels = rng.choice(  # None: the usual ones
        [None, None, ("good", "bad"), ("1", "0"), ("happy", "unhappy"), ("up", "down"), ("POSITIVE", "NEGATIVE")]
    )
    state = rng.getrandbits(32)  # the instruction (and with it the wanted fields) is the same for every row

    def output(f: Facts) -> str:
        if ask is ask_sentiment and labels:
            return labels[0] if f.sentiment == "positive" else labels[1]
        if ask is ask_title:
            return write_title(rng, f)
        return ask(random.Random(state), f)[1]

    facts = draw_facts(rng, split)
    examples = [draw_facts(rng, "train") for _ in range(rng.randint(2, 6))]
    if ask is ask_sentiment:  # show every label at least once
        examples[0], examples[1] = (
            replace(examples[0], sentiment="positive"),
            replace(examples[1], sentiment="negative"),
        )
        rng.shuffle(examples)
    instruction = "" if rng.random() < 0.4 else ask(random.Random(state), facts)[0] + "\n\n"
    if ask is ask_sentiment and labels and instruction:
        instruction = rng.choice(["Label the reviews.", "Label each review like in the examples."]) + "\n\n"
    rows = [f"Input: {write_review(rng, f)}\nOutput: {output(f)}" for f in examples]
    prompt = instruction + "\n".join([*rows, f"Input: {write_review(rng, facts)}\nOutput:"])
    return Example("few_shot", chat(prompt, output(facts)), facts)


def follows_task(rng: random.Random, f: Facts) -> Example:
    """Does one response follow its prompt? The part of judging pairs that can be learned from one response."""
    feature = rng.random() < 0.7
    request = ask_for_review(rng, f, feature=feature)
    good = rng.random() < 0.5
    response = write_review(rng, f) if good else worse_response(rng, f, feature=feature)
    sep = rng.choice(["\n", "\n\n"])
    question = rng.choice(["Does the response follow the prompt?", "Is this a good response to the prompt?"])
    instruction = f"Instruction: {question} {_answer_with(rng, 'Yes', 'No')}"
    prompt = f"Prompt: {request}{sep}Response: {response}{sep}{instruction}"
    return Example("follows", chat(prompt, "Yes" if good else "No"), f)


def worse_response(rng: random.Random, f: Facts, *, feature: bool) -> str:
    """A review that fails the request: wrong sentiment, wrong product, wrong feature, or spoiled text."""
    way = rng.random()
    if way < 0.35:
        return write_review(rng, replace(f, sentiment=opposite(f.sentiment)))
    if way < 0.65:
        return write_review(rng, other_product(rng, f))
    if way < 0.85 and feature:
        return write_review(rng, other_feature(rng, f))
    return spoil(rng, write_review(rng, f))


def judge_responses_task(rng: random.Random, f: Facts) -> Example:
    """Two responses to a prompt, as JudgeGenerationPairsWithPrompt shows them."""
    feature = rng.random() < 0.7
    request = ask_for_review(rng, f, feature=feature)
    good, bad = write_review(rng, f), worse_response(rng, f, feature=feature)
    question = rng.choice(
        [
            "Which response is better?",
            "Which response is better?",
            "Which response follows the prompt better?",
            "Which response is a better answer to the prompt?",
            "Compare the two responses and choose the better one.",
        ]
    )
    return _judge(rng, f, "Response", question, good, bad, request=request)


def judge_inputs_task(rng: random.Random, f: Facts, *, kind: str | None = None) -> Example:
    """Two texts without a prompt, as JudgePairsWithPrompt shows them; the question says what is wanted."""
    if kind is None:
        kind = rng.choices(["quality", "sentiment", "product", "feature"], [0.35, 0.25, 0.2, 0.2])[0]
    if kind == "quality":
        question, bad = rng.choice(["Which input is better?", "Which input is of higher quality?"]), None
    elif kind == "sentiment":
        question = rng.choice([f"Which input is more {f.sentiment}?", f"Which input is the {f.sentiment} review?"])
        bad = replace(f, sentiment=opposite(f.sentiment))
    elif kind == "product":
        question, bad = f"Which input is a review of {with_article(f.product)}?", other_product(rng, f)
    else:
        question, bad = f"Which input mentions the {f.feature}?", other_feature(rng, f)
    other = write_review(rng, bad) if bad else spoil(rng, write_review(rng, draw_facts(rng, "train")))
    return _judge(rng, f, "Input", question, write_review(rng, f), other)


def _judge(
    rng: random.Random, f: Facts, label: str, question: str, good: str, bad: str, *, request: str | None = None
) -> Example:
    first_is_good = rng.random() < 0.5
    a, b = (good, bad) if first_is_good else (bad, good)
    sep = rng.choice(["\n", "\n\n"])
    parts = [f"{label} A: {a}", f"{label} B: {b}"]
    if request is not None:
        parts.insert(0, f"Prompt: {request}")
    lead = rng.choice(["Instruction: ", "Instruction: ", " Instruction: ", ""])
    instruction = f"{lead}{question} {_answer_with(rng, f'{label} A', f'{label} B')}"
    prompt = sep.join(parts) + rng.choice([sep, "\n\n"]) + instruction
    return Example("judge", chat(prompt, f"{label} A" if first_is_good else f"{label} B"), f)


def documents_task(rng: random.Random, f: Facts) -> Example:
    """Reviews of several products and a question about one of them, as RAGPrompt writes it."""
    about = [f]
    for _ in range(rng.randint(1, 3)):
        other = draw_facts(rng, "train")
        if all(other.head != facts.head for facts in about):
            about.append(other)
    rng.shuffle(about)
    question, answer = rng.choice(
        [
            (f"Is the review of the {f.product} positive or negative?", f.sentiment),
            (f"Which feature of the {f.product} is mentioned?", f.feature),
            (f"What does the review of the {f.product} talk about?", f.feature),
        ]
    )
    documents = "\n".join(f"Document: {write_review(rng, facts)}" for facts in about)
    return Example("documents", chat(f"{documents}\n\nQuestion: {question}", answer), f)


def list_task(rng: random.Random, f: Facts) -> Example:
    """A comma-separated list, the first step of attributed prompts."""
    count = rng.randint(3, 8)
    kinds = {"products": ALL_PRODUCTS, "product features": list(FEATURES), "adjectives": MODIFIERS}
    kind = rng.choice(list(kinds))
    request = rng.choice(["List {n} {k}, separated by commas.", "Generate a comma-separated list of {n} {k}."])
    answer = ", ".join(rng.sample(kinds[kind], count))
    return Example("list", chat(request.format(n=count, k=kind), answer), f)


SYSTEM_MESSAGES = [
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "You are a careful annotator.",
    "You write product reviews.",
    "Be brief.",
    "Follow the instruction exactly.",
    "You are an impartial judge.",
]

MAKERS: dict[str, Callable[[random.Random, Facts], Example]] = {
    "review": review_task,
    "first_question": lambda rng, f: question_task(rng, f, FIRST_QUESTIONS),
    "verdicts": lambda rng, f: question_task(rng, f, VERDICTS, more=0.8),
    "question": question_task,
    "few_shot": lambda rng, f: few_shot_task(rng, "train"),
    "follows": follows_task,
    "judge_responses": judge_responses_task,
    "judge_inputs": judge_inputs_task,
    "documents": documents_task,
    "list": list_task,
}
# Where a stage of the training begins, as a share of all steps, and how often it shows each task.
Stages = list[tuple[float, dict[str, float]]]

# Verdicts are noise to a model that cannot read a review yet: it learns to write and to read in a fraction of the time
# when they come later.
READING: Stages = [
    (0.0, {"review": 0.5, "first_question": 0.5}),
    (0.12, {"review": 0.25, "question": 0.45, "follows": 0.3}),
    (
        0.3,
        {
            "review": 0.2,
            "question": 0.3,
            "follows": 0.1,
            "judge_responses": 0.21,
            "judge_inputs": 0.11,
            "few_shot": 0.04,
            "documents": 0.02,
            "list": 0.02,
        },
    ),
]


# What is then still weak is seeing that two texts speak of the same thing, which all remaining verdicts need.
MATCHING: Stages = [
    (0.0, {"review": 0.1, "verdicts": 0.55, "follows": 0.35}),
    (
        0.35,
        {
            "review": 0.15,
            "question": 0.15,
            "verdicts": 0.15,
            "follows": 0.1,
            "judge_responses": 0.25,
            "judge_inputs": 0.12,
            "few_shot": 0.03,
            "documents": 0.03,
            "list": 0.02,
        },
    ),
]


def draw_example(rng: random.Random, stages: Stages = READING, progress: float = 1.0) -> Example:
    """One training example; `progress` is the share of the training that is done.

    A fifth of the conversations starts with a system message, which changes nothing.
    """
    tasks = [tasks for begin, tasks in stages if begin <= progress][-1]
    task = rng.choices(list(tasks), list(tasks.values()))[0]
    example = MAKERS[task](rng, draw_facts(rng, "train"))
    if rng.random() < 0.2:
        system = {"role": "system", "content": rng.choice(SYSTEM_MESSAGES)}
        return replace(example, messages=[system, *example.messages])
    return example
