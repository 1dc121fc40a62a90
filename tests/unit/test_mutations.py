"""What `make mutants` draws from: small changes of a source that may mean something."""

from __future__ import annotations

import ast

import pytest
import yaml

from scripts.mutants import sources_of
from scripts.mutations import mutations
from scripts.scratch import ROOT


def changes(source: str, path: str = "core/x.py") -> list[str]:
    """What becomes of each mutation, the rest of the source with it, in one line."""
    applied = [mutation.applied(source.encode()).decode() for mutation in mutations(path, source)]
    return ["; ".join(text.strip().splitlines()) for text in applied]


@pytest.mark.parametrize(
    ("source", "becomes"),
    [
        ("x = a < b", "x = (a <= b)"),
        ("x = a is not b", "x = (a is b)"),
        ("x = a in b", "x = (a not in b)"),
        ("x = a == b < c", "x = (a != b < c)"),
        ("x = a or b", "x = (a and b)"),
        ("x = not a", "x = (a)"),
        ("x = a + b", "x = (a - b)"),
        ("x = a if b else c", "x = (a if not b else c)"),
        ("x = True", "x = (False)"),
        ("x = 4.5", "x = (5.5)"),
        ("x = 'name'", "x = ('namex')"),
        ("x = f(a=b)", "x = (f())"),
        ("f(a)", "pass"),
        ("if a:\n    b = c", "if (not a):;     b = c"),
        ("while a:\n    b = c", "while (not a):;     b = c"),
        ("def f():\n    return a", "def f():;     return None"),
        ("def f():\n    return False", "def f():;     return (True)"),
        ("def f(a=1): ...", "def f(a=(2)): ..."),
        ("class A:\n    a: int = 1", "class A:;     a: int = (2)"),
        ("match a:\n    case 'b': pass", "match a:;     case ('bx'): pass"),
    ],
)
def test_what_is_changed(source: str, becomes: str) -> None:
    assert becomes in changes(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""What it is."""',
        "import a",
        "x = 'some prose'",
        "x = f'{a}b'",
        "x: Literal['a']",
        "def f(a: 'A') -> 'B': ...",
        "__all__ = ['a']",
        "x = f(*a)",
        "def f():\n    return None",
        "if TYPE_CHECKING:\n    x = 1",
        "@dataclass(frozen=True)\nclass A: ...",
        "match a:\n    case {'b': c}: pass",
    ],
)
def test_what_means_nothing_is_left(source: str) -> None:
    assert changes(source) == []


def test_protocols_stay() -> None:
    """What implements them has defaults of its own."""
    assert changes("class P(Q, Protocol):\n    def f(self, x=True): ...") == []


def test_descriptions_stay() -> None:
    """Only readers see that one is missing. What the type checker guards stays too."""
    assert changes("x = Model(frozen=True)") == []
    assert changes("x = option('--port', show_default=True)") == [
        "x = option(('--portx'), show_default=True)"
    ]
    assert changes("x = Field(description='a', alias='b')") == [
        "x = (Field(description='a'))",
        "x = Field(description='a', alias=('bx'))",
    ]


def test_offsets_are_of_bytes() -> None:
    """Letters before the place may take more than one byte, in Python and in YAML."""
    assert changes("x = {'ä ö': 1}")[-1] == "x = {'ä ö': (2)}"
    assert changes("ä: 1", "k8s/x.yaml") == ["ä: 2"]


def test_values_of_yaml_change_and_keys_stay() -> None:
    source = "a: {b: true, c: [8, x]}\nd: 'e'\nf: g h\n---\ni: no"
    assert changes(source, "k8s/x.yaml") == [
        "a: {b: false, c: [8, x]}; d: 'e'; f: g h; ---; i: no",
        "a: {b: true, c: [9, x]}; d: 'e'; f: g h; ---; i: no",
        "a: {b: true, c: [8, \"xx\"]}; d: 'e'; f: g h; ---; i: no",
        'a: {b: true, c: [8, x]}; d: "ex"; f: g h; ---; i: no',
        "a: {b: true, c: [8, x]}; d: 'e'; f: g h; ---; i: true",
    ]


def test_the_statement_and_its_names_are_told() -> None:
    """Lines lead to the tests that run them; outside of functions, names to those that use them."""
    source = (
        "LIMIT = max(\n    1,\n    a)\n\ndef f():\n    if (\n        b == 1\n    ):\n        c()\n"
    )
    of = {mutation.before: mutation for mutation in mutations("core/x.py", source)}
    assert (of["1"].line, of["c()"].lines, of["b == 1"].lines) == (7, (9, 9), (6, 8))
    limit = mutations("core/x.py", source)[0]
    assert (limit.lines, limit.names, of["c()"].names) == ((1, 3), ("LIMIT",), ())


@pytest.mark.parametrize("folder", ["core", "handler", "cdk", "k8s"])
def test_each_change_of_this_project_can_be_read(folder: str) -> None:
    """None is killed only because it is no source any more."""
    read = 0
    for path, source in sources_of(ROOT).items():
        if not path.startswith(f"{folder}/"):
            continue
        # Patterns have a grammar of their own.
        for mutation in mutations(path, source)[:: 1 if "    case " in source else 50]:
            changed = mutation.applied(source.encode()).decode()
            if path.endswith(".py"):
                ast.parse(changed)
            else:
                list(yaml.safe_load_all(changed))
            read += 1
    assert read > 20
