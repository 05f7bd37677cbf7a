"""The golden vectors: expressions and their digests. Standard library only, so that any Python can run it.

python tests/identity/identity_golden.py            check against tests/golden/identity.json
python tests/identity/identity_golden.py --write    write the digests of this code
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "identity.json"
sys.path[:0] = [path for path in (str(ROOT / "src"), str(ROOT / "tests" / "identity")) if path not in sys.path]

IMPORTS = "import array, collections, datetime, decimal, fractions, functools, math, operator, re, uuid"

EXPRESSIONS = """
None
True
False
0
1
-1
255
2**100
1.0
-0.0
0.0
0.1
float("inf")
float("nan")
-float("nan")
1j
complex(float("nan"), -0.0)
""
"1"
"é"
"e\\u0301"
"\\ud800"
"\\U0001f600"
b""
b"\\x00\\xff"
bytearray(b"ab")
memoryview(b"ab")
[]
()
[1, 2]
(1, 2)
[[1], [2]]
[[1, 2]]
{}
{"a": 1, "b": [None, True]}
{"b": [None, True], "a": 1}
collections.OrderedDict(b=[None, True], a=1)
{1: "int", 1.5: "float", "1": "text", None: "none", (1, 2): "pair"}
set()
{1, 2, 3}
frozenset([3, 2, 1])
{"set", b"set", 1.0, None}
...
NotImplemented
range(10)
range(0, 10, 3)
slice(None, 3)
datetime.date(2026, 11, 3)
datetime.time(12, 30, fold=1)
datetime.datetime(2026, 11, 3, 12, 30, 0, 5)
datetime.datetime(2026, 11, 3, tzinfo=datetime.timezone.utc)
datetime.timedelta(days=1, microseconds=7)
datetime.timezone(datetime.timedelta(hours=2))
decimal.Decimal("1.0")
decimal.Decimal("1.00")
fractions.Fraction(1, 3)
uuid.UUID(int=7)
re.compile("a+", re.I)
re.compile(b"a+")
array.array("d", [1.0, 2.0])
collections.deque([1, 2], 3)
collections.Counter("aab")
collections.defaultdict(list, a=[1])
FileRef("sha256:00ff", 3)
Secret("hunter2")
int
dict
ValueError
len
math.sqrt
str.strip
"-".join
json.dumps
operator.itemgetter(1, "a")
operator.attrgetter("a.b")
operator.methodcaller("replace", "a", count=1)
functools.partial(int, base=2)
list[str]
dict[str, int | None]
re
samples.shorten
samples.words
samples.is_even
samples.is_odd
samples.multiplier
samples.multiplier(2.0)
samples.multiplier(3.0)
samples.report
samples.gather
samples.decorated
samples.remembered
samples.render
samples.PAIR
samples.PAIR[0]
functools.partial(samples.shorten, limit=5)
samples.Colour
samples.Colour.RED
samples.Settings
samples.Settings("de", [0.5])
samples.Point
samples.Point(1, 2)
samples.Cleaner
samples.LoudCleaner
samples.Cleaner("x")
samples.Cleaner("x").__call__
samples.Cleaner.default
samples.Cleaner.join
{"code": samples.LoudCleaner, "settings": {"post": samples.shorten, "n": 3}, "inputs": {"a": "ddc1:00"}}
"""


def digests() -> dict[str, str]:
    """Every expression with its digest in this process."""
    import identity_samples

    from datadreamer import identity

    scope: dict[str, object] = {"samples": identity_samples, "json": json}
    scope.update(FileRef=identity.FileRef, Secret=identity.Secret)
    exec(IMPORTS, scope)
    lines = [line for line in EXPRESSIONS.splitlines() if line]
    return {line: identity.digest(eval(line, scope), "golden") for line in lines}


def main(arguments: list[str]) -> int:
    found = digests()
    if "--write" in arguments:
        GOLDEN.write_text(json.dumps(found, indent=1, ensure_ascii=True) + "\n")
        return 0
    if "--print" in arguments:
        print(json.dumps(found))
        return 0
    expected = json.loads(GOLDEN.read_text())
    different = [line for line in sorted({*expected, *found}) if expected.get(line) != found.get(line)]
    for line in different:
        print(f"differs: {line}")
    print(f"Python {sys.version.split()[0]}: {len(found) - len(different)} of {len(expected)} golden digests agree")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
