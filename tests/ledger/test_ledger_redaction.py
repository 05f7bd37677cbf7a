"""No secret reaches a file, whatever it is wrapped in; and nothing else is changed."""

from __future__ import annotations

import json
import os
import random
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datadreamer.identity import Secret
from datadreamer.ledger import CallRecord, Ledger, Loss, Redactor, StepEvent, atomic_json
from datadreamer.ledger.redact import environment_secrets


def letters(count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    rng = random.Random(count)
    return "".join(rng.choices(alphabet, k=count - 2)) + "a7"


UPPER = string.ascii_uppercase + string.digits
SECRETS = {
    "openai-key": f"sk-{letters(48)}",
    "openai-key ": f"sk-proj-{letters(60)}_{letters(20)}-x",
    "anthropic-key": f"sk-ant-api03-{letters(80)}",
    "openrouter-key": f"sk-or-v1-{letters(64, string.hexdigits.lower())}",
    "huggingface-token": f"hf_{letters(34)}",
    "aws-key": "AKIAIOSFODNN7EXAMPLE",
    "google-key": f"AIza{letters(35)}",
    "google-token": f"ya29.{letters(60)}",
    "github-token": f"ghp_{letters(36)}",
    "github-token ": f"github_pat_{letters(22)}_{letters(40)}",
    "gitlab-token": f"glpat-{letters(20)}",
    "slack-token": f"xoxb-1234567890-1234567890-{letters(24)}",
    "groq-key": f"gsk_{letters(52)}",
    "xai-key": f"xai-{letters(80)}",
    "nvidia-key": f"nvapi-{letters(64)}",
    "perplexity-key": f"pplx-{letters(48)}",
    "replicate-token": f"r8_{letters(37)}",
    "jwt": f"eyJ{letters(30)}.eyJ{letters(60)}.{letters(43)}",
}
SURROUNDINGS = [
    "{}",
    "my key is {}, keep it",
    "export KEY={}\nnext",
    "a line\n{}\nanother",
    "tab\t{}",
    "'{}'",
    '"{}"',
    "({})",
    "Grüße {} \N{SNOWMAN}",
    "lots of prose " * 300 + "{}" + " and more of it" * 300,
]


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("surrounding", SURROUNDINGS)
def test_known_keys_go_from_text_and_from_json(kind, surrounding):
    redactor, secret = Redactor(), SECRETS[kind]
    text = surrounding.format(secret)
    expected = surrounding.format(f"[redacted:{kind.strip()}]")
    assert redactor.has_secret(text)
    assert redactor.text(text) == expected
    for ascii_only in (False, True):
        raw = json.dumps({"content": text}, ensure_ascii=ascii_only).encode()
        assert redactor.has_secret(raw)
        assert json.loads(redactor.data(raw)) == {"content": expected}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Bearer abcdefghij0123456789.x", "Authorization: Bearer [redacted:bearer-token]"),
        ("postgres://me:hunter2@db.example/x", "postgres://me:[redacted:url-password]@db.example/x"),
        ("https://:only@host/ https://me@host/", "https://:[redacted:url-password]@host/ https://me@host/"),
        ("https://x.y/v1?key=abcdef123456&a=1", "https://x.y/v1?key=[redacted:query-key]&a=1"),
        ("https://x.y/v1?a=1&api_key=abcdef123456", "https://x.y/v1?a=1&api_key=[redacted:query-key]"),
        ("https://x.y/?X-Amz-Signature=0123456789abcdef", "https://x.y/?X-Amz-Signature=[redacted:query-key]"),
    ],
)
def test_credentials_in_urls_and_headers_go(text, clean):
    assert Redactor().text(text) == clean
    assert json.loads(Redactor().data(json.dumps([text]).encode())) == [clean]
    escaped = json.dumps([text]).replace("/", "\\/").replace("&", "\\u0026").encode()
    assert json.loads(Redactor().data(escaped)) == [clean]


def test_a_private_key_goes_and_its_frame_stays():
    body = "\n".join(letters(64, string.ascii_letters + string.digits + "+/") for _ in range(5))
    text = f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\n"
    for given_, clean in ((text, Redactor().text(text)), (text, json.loads(Redactor().text(json.dumps(text))))):
        assert "[redacted:private-key]" in clean and clean.endswith("-----END RSA PRIVATE KEY-----\n")
        assert not any(line in clean for line in given_.splitlines()[1:-1])


@pytest.mark.parametrize(
    "text",
    [
        "ask-about-the-task-management-of-risk-assessments",
        "https://news.example/sk-hynix-raises-memory-prices-2024",
        "hf_hub_download and hf_transfer are functions",
        "the AKIA prefix, AIza, ghp_, xoxb- and sk- alone",
        "bearer of good news, Bearer with a very-long-hyphenated word",
        '{"token": "Hello", "logprob": -0.5, "tokens": [1, 2]}',
        "f(key=value, token=other) if a ? b : c",
        "https://example.com/page?key=YOUR_KEY_HERE",
        "http://localhost:8000/v1 and mail me@example.com",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "ddr1:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        '{"id":"chatcmpl-9xYzABCdefGHIjklMNOpqrSTUvwxy","system_fingerprint":"fp_44709d6fcb"}',
        "/home/somebody/else and /root/x",
        "-" * 100,
        "_" * 100,
    ],
)
def test_innocent_text_stays_as_it_is(text):
    redactor = Redactor(values=["correct-horse-1"], home="/home/some")
    assert not redactor.has_secret(text)
    assert redactor.text(text) is text
    raw = text.encode()
    assert redactor.data(raw) is raw


@settings(max_examples=200, deadline=None)
@given(before=st.text(), after=st.text(), secret=st.sampled_from(sorted(SECRETS.values())))
def test_the_quick_look_and_the_whole_search_agree(before, after, secret):
    redactor = Redactor(values=["p@ss word/ü!"], home="/home/some")
    for text in (before, f"{before} {secret} {after}", f"{before}p@ss word/ü!{after}"):
        clean = redactor.text(text)
        assert redactor.has_secret(text) == (clean != text)
        assert secret not in clean and "p@ss word/ü!" not in clean
        assert redactor.text(clean) == clean or redactor.has_secret(clean)


@pytest.mark.parametrize("value", ["p@ss word/ü!", "Zx81-short", "wordless" * 4, "a/b+c/d==9012", 'quo"te\\d1'])
def test_known_values_go_in_every_spelling(value):
    from urllib.parse import quote

    redactor = Redactor()
    assert not redactor.has_secret(f"x {value} y")
    redactor.add(value)
    assert redactor.text(f"x {value} y") == "x [redacted:secret] y"
    for dumped in (
        json.dumps([value]),
        json.dumps([value], ensure_ascii=False),
        json.dumps([value]).replace("/", "\\/"),
    ):
        assert json.loads(redactor.text(dumped)) == ["[redacted:secret]"]
    assert redactor.text(f"u={quote(value, safe='')}") == "u=[redacted:secret]"


def test_the_home_folder_becomes_a_tilde_also_in_json():
    redactor = Redactor(home="/home/alice")
    assert redactor.text("see /home/alice/data, /home/alice and /home/alice2") == "see ~/data, ~ and /home/alice2"
    assert redactor.text("file:///home/alice/x") == "file://~/x"
    assert json.loads(redactor.data(b'["\\/home\\/alice\\/x"]')) == ["~/x"]
    windows = Redactor(home="C:\\Users\\alice")
    assert json.loads(windows.data(json.dumps(["C:\\Users\\alice\\x"]).encode())) == ["~\\x"]
    assert Redactor(home="/root").text("rm -r /root/x") == "rm -r /root/x"  # every container's home: nobody's name


def test_variables_that_look_like_keys_are_known_and_settings_are_not():
    environment = {
        "MY_API_KEY": "s3cr3t-value",
        "DB_PASSWORD": "correct horse 1",
        "SOME_TOKEN": "abcdefghijklmnopqrst",
        "SHORT_KEY": "abc",
        "KEY_FILE": "/etc/keys/one.pem",
        "MAX_TOKENS": "10000000",
        "TOKENIZERS_PARALLELISM": "disabled",
        "KEYCLOAK_URL": "https://sso.example/realm1",
        "OTHER": "s3cr3t-but-not-named-so",
    }
    assert environment_secrets(environment) == ["s3cr3t-value", "correct horse 1", "abcdefghijklmnopqrst"]


def test_json_values_lose_secret_objects_and_fields_named_like_secrets():
    settings_ = {
        "api_key": "whatever it is",
        "headers": {"X-Api-Key": "abc", "accept": "json"},
        "key": Secret("abc"),
        "password": {"type": "string"},  # a JSON schema, not a password
        "token": "Hello",
        "list": (1, None, 0.5, True, f"sk-{letters(48)}"),
        "empty": {"api_key": None, "secret": ""},
    }
    assert Redactor().json(settings_) == {
        "api_key": "[redacted:secret]",
        "headers": {"X-Api-Key": "[redacted:secret]", "accept": "json"},
        "key": "[redacted:secret]",
        "password": {"type": "string"},
        "token": "Hello",
        "list": [1, None, 0.5, True, "[redacted:openai-key]"],
        "empty": {"api_key": None, "secret": ""},
    }


def test_only_headers_on_the_list_are_shown():
    headers = {"Content-Type": "application/json", "Authorization": "Bearer x", "X-RateLimit-Limit": "5", "X-New": "y"}
    assert Redactor().headers(headers) == {
        "Content-Type": "application/json",
        "Authorization": "[redacted:header]",
        "X-RateLimit-Limit": "5",
        "X-New": "[redacted:header]",
    }


def test_no_secret_is_in_any_file_of_a_ledger(tmp_path):
    planted = [*SECRETS.values(), "the p@ssword 9"]
    everything = " ".join(planted)
    redactor = Redactor(values=["the p@ssword 9"], home="/home/alice")
    record = CallRecord(
        text=everything,
        step="Ask",
        model="/home/alice/model",
        host="me:the p@ssword 9@host",
        extra={"x": [everything], everything: 1},
        request=json.dumps({"m": everything}).encode(),
        response=json.dumps({"m": everything * 100}).encode(),
    )
    ledger = Ledger.open(tmp_path / "l.sqlite", redactor=redactor)
    ledger.put_call(b"k" * 32, record)
    (unflushed,) = ledger.get_calls([b"k" * 32]).values()
    ledger.put_step(StepEvent(step="Ask", kind="finished", view={"a": [everything]}, data={"b": everything}))
    ledger.put_loss(Loss(step="Ask", row=0, reason="parse", message=everything, data={"row": everything}))
    ledger.flush()
    (stored,) = ledger.get_calls([b"k" * 32]).values()
    assert stored == unflushed
    assert stored.model == "~/model" and stored.text.startswith("[redacted:openai-key] [redacted:openai-key]")
    assert_in_no_file(tmp_path, planted)  # while it is open: the write-ahead log too
    ledger.close()
    assert_in_no_file(tmp_path, planted)


def test_no_secret_is_in_a_json_file(tmp_path):
    atomic_json(tmp_path / "step.json", {"settings": {"api_key": Secret("abc-secret-9"), "note": SECRETS["jwt"]}})
    assert json.loads((tmp_path / "step.json").read_text()) == {
        "settings": {"api_key": "[redacted:secret]", "note": "[redacted:jwt]"}
    }


def test_the_redactor_of_the_process_knows_its_environment():
    name = "DATADREAMER_TEST_API_KEY"
    os.environ[name] = "zebra-crossing-77"
    try:
        assert Redactor.default().text("x zebra-crossing-77") == "x [redacted:secret]"
    finally:
        del os.environ[name]
    assert Redactor.default() is Redactor.default()


def assert_in_no_file(folder: Path, planted: list[str]) -> None:
    for file in folder.iterdir():
        content = file.read_bytes()
        assert not [secret for secret in planted if secret.encode() in content], file.name
