"""Whether two mathematical answers say the same: as text, as numbers, or by SymPy, which reads them in a sandbox."""

from __future__ import annotations

import json
import re
from fractions import Fraction

from .sandbox import run_code

_SAYS = re.compile(r"(?:final answer|answer)\s*(?:is|:|=)\s*\$?(?P<answer>[^\n$]+)", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:/\d+)?")
_UNITS = re.compile(r"\\(?:text|mathrm|mbox)\{[^}]*\}|\\[,;! ]|[$%€£]|\\\$|\\%|\\left|\\right")
_FRACTION = re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}")
_ROOT = re.compile(r"\\sqrt\{([^{}]*)\}")
# SymPy's parser evaluates what it reads. It is given nothing but numbers, signs, single letters and these words, and
# reads them in a sandbox all the same.
_WORDS = frozenset(
    {
        "sqrt",
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "sec",
        "csc",
        "cot",
        "sinh",
        "cosh",
        "tanh",
        "log",
        "ln",
        "exp",
        "abs",
        "pi",
        "infinity",
        "oo",
        "max",
        "min",
    }
)
_SIGNS = re.compile(r"[\d\sa-z+\-*/^().,=!|]*")
_NAME = re.compile(r"[a-z]+")
_COMPARE = """
import json, sys
from sympy import simplify
from sympy.parsing.sympy_parser import (convert_xor, implicit_multiplication_application, parse_expr,
                                        standard_transformations)
a, b = json.loads(sys.stdin.read())
how = (*standard_transformations, implicit_multiplication_application, convert_xor)
sides = [[parse_expr(side, transformations=how) for side in text.split("=")][-1] for text in (a, b)]
print(simplify(sides[0] - sides[1]) == 0)
"""


def final_answer(solution: str) -> str | None:
    r"""The answer that a worked solution comes to.

    In this order: the last `\boxed{...}`, what stands behind the last `####`, what stands behind the last "answer is"
    or "answer:", the last number. None when there is nothing of that.
    """
    boxed = _last_boxed(solution)
    if boxed is not None:
        return boxed
    if "####" in solution:
        return solution.rpartition("####")[2].strip() or None
    said = list(_SAYS.finditer(solution))
    if said:
        return said[-1]["answer"].strip().rstrip(".")
    numbers = _NUMBER.findall(solution)
    return numbers[-1] if numbers else None


def _last_boxed(text: str) -> str | None:
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth = 0
    for place in range(start + len("\\boxed"), len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start + len("\\boxed{") : place].strip()
    return None


def same_answer(a: str, b: str, timeout: float = 10.0) -> bool:
    """Whether two answers are equal: as text, as exact numbers, else as expressions (SymPy, when it is installed).

    Args:
        timeout: seconds that SymPy may take; what takes longer is not equal.
    """
    left, right = _plain(a), _plain(b)
    if left == right:
        return True
    numbers = _as_number(left), _as_number(right)
    if numbers[0] is not None and numbers[1] is not None:
        return numbers[0] == numbers[1]
    if not (_harmless(left) and _harmless(right)):
        return False
    compared = run_code(_COMPARE, stdin=json.dumps([left, right]), timeout=timeout)
    return compared.ok and compared.stdout.strip() == "True"


def _plain(answer: str) -> str:
    """An answer without units, signs of money and LaTeX, as SymPy would be given it."""
    text = _UNITS.sub("", answer).replace("\\cdot", "*").replace("\\times", "*").replace("\\pi", "pi")
    for _ in range(3):  # nested a few times at most
        text = _FRACTION.sub(r"((\1)/(\2))", text)
        text = _ROOT.sub(r"sqrt(\1)", text)
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    return re.sub(r"\s+", " ", text.replace("{", "(").replace("}", ")")).strip().rstrip(".").lower()


def _harmless(text: str) -> bool:
    """Whether a text is nothing but a short formula."""
    names = _NAME.findall(text)
    known = all(len(name) == 1 or name in _WORDS or not (set(name) - set("xyzabcn")) for name in names)
    attribute = re.search(r"\.\s*[a-z]", text) is not None
    return 0 < len(text) <= 300 and _SIGNS.fullmatch(text) is not None and known and not attribute


def _as_number(text: str) -> Fraction | None:
    cleaned = re.sub(r"[()\s]", "", text)
    if not re.fullmatch(r"[-+]?\d{1,50}(\.\d{1,50})?(/\d{1,50})?", cleaned):
        return None
    above, _, below = cleaned.partition("/")
    try:
        return Fraction(above) / Fraction(below) if below else Fraction(above)
    except ZeroDivisionError:
        return None
