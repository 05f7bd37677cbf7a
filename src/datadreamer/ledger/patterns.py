"""What keys and passwords look like, as bytes. Each named group is a kind of secret; only the group is replaced.

Patterns see raw JSON as well as plain text, so "start of a word" also means "after an escape such as `\\n`". Every
pattern begins with a literal and looks behind afterwards: so the search skips ahead instead of looking everywhere.
"""

from __future__ import annotations

# name, then how it may begin (of fixed length) and go on
TOKENS: tuple[tuple[str, tuple[tuple[bytes, bytes], ...]], ...] = (
    ("anthropic_key", ((rb"sk-ant-", rb"[\w-]{16,}"),)),
    ("openrouter_key", ((rb"sk-or-", rb"[\w-]{20,}"),)),
    (
        "openai_key",
        (
            (rb"sk-proj-", rb"[\w-]{20,}"),
            (rb"sk-svcacct-", rb"[\w-]{20,}"),
            (rb"sk-admin-", rb"[\w-]{20,}"),
            # any other of this shape, also of compatible services; a digit and an unbroken part tell it from a slug
            (rb"sk-", rb"(?=[\w-]*[A-Za-z0-9]{16})(?=[\w-]*[0-9])[\w-]{20,}"),
        ),
    ),
    ("huggingface_token", ((rb"hf_", rb"[A-Za-z0-9]{20,}"),)),
    ("aws_key", ((rb"A[KS]IA", rb"[0-9A-Z]{16}(?![0-9A-Za-z])"),)),
    ("google_key", ((rb"AIza", rb"[\w-]{35}"),)),
    ("google_token", ((rb"ya29", rb"\.[\w-]{20,}"),)),
    ("github_token", ((rb"gh[pousr]_", rb"[A-Za-z0-9]{36,}"), (rb"github_pat_", rb"\w{22,}"))),
    ("gitlab_token", ((rb"glpat-", rb"[\w-]{20,}"),)),
    ("slack_token", ((rb"xox[abeoprs]-", rb"[A-Za-z0-9-]{16,}"),)),
    ("groq_key", ((rb"gsk_", rb"[A-Za-z0-9]{40,}"),)),
    ("xai_key", ((rb"xai-", rb"[A-Za-z0-9]{40,}"),)),
    ("cerebras_key", ((rb"csk-", rb"[a-z0-9]{40,}"),)),
    ("nvidia_key", ((rb"nvapi-", rb"[\w-]{40,}"),)),
    ("perplexity_key", ((rb"pplx-", rb"[A-Za-z0-9]{32,}"),)),
    ("replicate_token", ((rb"r8_", rb"[A-Za-z0-9]{30,}"),)),
    ("jwt", ((rb"eyJ", rb"[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),)),
)
_BEARER = rb"[Bb]earer|BEARER"
_AFTER_BEARER = rb"(?:%s)\s+(?P<bearer_token>[\w.~+/-]{20,}=*)" % _BEARER
_PRIVATE_KEY = rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----(?P<private_key>[A-Za-z0-9+/=\s\\]{40,})"

URL_PASSWORD = rb":(?:\\?/){2}[^/\s:@\"'\\]{0,256}:(?P<url_password>(?!\[redacted)[^/\s@\"'\\]{1,256})@"

QUERY_KEY = (
    rb"(?:[?&]|\\u0026|&amp;)(?i:[\w-]*(?:key|token|secret|password|signature)|sig)="
    rb"(?P<query_key>(?=[^&\s\"'<>\\#]*[0-9])[^&\s\"'<>\\#]{8,})"
)
QUERY_NAMES = (b"key", b"token", b"secret", b"password", b"signature", b"sig")  # lower case, before "="

# How the long words begin that nearly every answer contains: ids and model names. Not worth a closer look.
HARMLESS = (b"chatcmpl-", b"msg_", b"resp_", b"req_", b"call_", b"toolu_", b"gpt-", b"claude-", b"gemini-")


def word_starts(literals: list[bytes]) -> bytes:
    """What every long word that is worth a closer look contains, or has before it."""
    heads = [_at_start(head) for _, shapes in TOKENS for head, _ in shapes]
    return b"|".join([*heads, _BEARER, *literals])


def words(literals: list[bytes]) -> bytes:
    """Secrets that are, or have in them, a long unbroken word. `literals` are escaped already."""
    parts = [
        rb"(?P<%s>%s)" % (name.encode(), b"|".join(_at_start(head) + rest for head, rest in shapes))
        for name, shapes in TOKENS
    ]
    parts += [_AFTER_BEARER, _PRIVATE_KEY]
    if literals:
        parts.append(rb"(?P<secret>%s)" % b"|".join(literals))
    return b"|".join(parts)


def known(literals: list[bytes], homes: list[bytes]) -> bytes:
    """Known values of any other form, and home folders; escaped already. None of both: matches nothing."""
    parts = [rb"(?P<secret>%s)" % b"|".join(literals)] if literals else []
    if homes:
        bounded = [rb"%s(?<![A-Za-z0-9_]%s)" % (home, home) for home in homes]
        parts.append(rb"(?P<home>%s)(?![\w-])" % b"|".join(bounded))
    return b"|".join(parts) or rb"(?!)"


def _at_start(head: bytes) -> bytes:
    """`head`, where a word begins: after no letter or digit, unless that belongs to an escape of JSON."""
    return rb"%s(?:(?<![A-Za-z0-9]%s)|(?<=\\[bfnrt]%s)|(?<=\\u[0-9A-Fa-f]{4}%s))" % (head, head, head, head)
