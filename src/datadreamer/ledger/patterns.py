"""What keys and passwords look like, as bytes. Each named group is a kind of secret; only the group is replaced.

Patterns see raw JSON as well as plain text, so "start of a word" also means "after an escape such as `\\n`".
"""

from __future__ import annotations

_START = rb"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4}))"

# (name, how it starts: enough to look closer, the whole)
TOKENS: tuple[tuple[str, bytes, bytes], ...] = (
    ("anthropic_key", rb"sk-ant-", rb"sk-ant-[\w-]{16,}"),
    ("openrouter_key", rb"sk-or-", rb"sk-or-[\w-]{20,}"),
    (
        "openai_key",
        rb"sk-",
        rb"sk-(?:(?:proj|svcacct|admin)-[\w-]{20,}|(?=[\w-]*[A-Za-z0-9]{16})(?=[\w-]*[0-9])[\w-]{20,})",
    ),
    ("huggingface_token", rb"hf_", rb"hf_[A-Za-z0-9]{20,}"),
    ("aws_key", rb"A[KS]IA", rb"A[KS]IA[0-9A-Z]{16}(?![0-9A-Za-z])"),
    ("google_key", rb"AIza", rb"AIza[\w-]{35}"),
    ("google_token", rb"ya29", rb"ya29\.[\w-]{20,}"),
    ("github_token", rb"gh[pousr]_|github_pat_", rb"(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})"),
    ("gitlab_token", rb"glpat-", rb"glpat-[\w-]{20,}"),
    ("slack_token", rb"xox", rb"xox[abeoprs]-[A-Za-z0-9-]{16,}"),
    ("groq_key", rb"gsk_", rb"gsk_[A-Za-z0-9]{40,}"),
    ("xai_key", rb"xai-", rb"xai-[A-Za-z0-9]{40,}"),
    ("cerebras_key", rb"csk-", rb"csk-[a-z0-9]{40,}"),
    ("nvidia_key", rb"nvapi-", rb"nvapi-[\w-]{40,}"),
    ("perplexity_key", rb"pplx-", rb"pplx-[A-Za-z0-9]{32,}"),
    ("replicate_token", rb"r8_", rb"r8_[A-Za-z0-9]{30,}"),
    ("jwt", rb"eyJ", rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
)

# How the long words begin that nearly every answer contains: ids and model names. Not worth a closer look.
HARMLESS = (b"chatcmpl-", b"msg_", b"resp_", b"req_", b"call_", b"toolu_", b"gpt-", b"claude-", b"gemini-")

BEARER = rb"(?i:bearer)\s+(?P<bearer_token>[\w.~+/-]{20,}=*)"
PRIVATE_KEY = rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----(?P<private_key>[A-Za-z0-9+/=\s\\]{40,})"
URL_PASSWORD = rb":(?:\\?/){2}[^/\s:@\"'\\]{0,256}:(?P<url_password>[^/\s@\"'\\]{1,256})@"
QUERY_KEY = (
    rb"(?i:[?&]|\\u0026|&amp;)(?i:[\w-]*(?:key|token|secret|password|signature)|sig)="
    rb"(?P<query_key>(?=[^&\s\"'<>\\#]*[0-9])[^&\s\"'<>\\#]{8,})"
)

QUERY_NAMES = (b"key", b"token", b"secret", b"password", b"signature", b"sig")  # lower case, before "="


def token_starts(literals: list[bytes]) -> bytes:
    """A pattern that every long word worth a closer look contains."""
    return b"|".join([start for _, start, _ in TOKENS] + [rb"[Bb]earer|BEARER", *literals])


def everything(literals: list[bytes], homes: list[bytes]) -> bytes:
    """One pattern for all kinds; `literals` and `homes` are escaped already. Known shapes win over known values."""
    parts = [rb"%s(?P<%s>%s)" % (_START, name.encode(), whole) for name, _, whole in TOKENS]
    parts += [BEARER, PRIVATE_KEY, URL_PASSWORD, QUERY_KEY]
    if literals:
        parts.append(rb"(?P<secret>%s)" % b"|".join(literals))
    if homes:
        parts.append(rb"(?<![A-Za-z0-9_])(?P<home>%s)(?![\w-])" % b"|".join(homes))
    return b"|".join(parts)
