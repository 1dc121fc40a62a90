"""Every place of a source where one small change makes another program, for `scripts.mutants`.

Python is read as a syntax tree. Prose (strings with blanks, f-strings, docstrings, descriptions),
types and protocols are left alone: a change there is none of behaviour.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator

from scripts.mutation import Mutation
from scripts.yaml_mutations import of_yaml

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
}
# Arguments that say something to readers, and two that guard against mistakes of our own, which the
# type checker finds before a test does.
_PROSE = {"description", "summary", "title", "doc", "detail", "reason"}
_HELP = {"help", "short_help", "epilog", "show_default"}
_LEFT_ALONE = _PROSE | _HELP | {"frozen", "kw_only"}
# Decorators of classes are of their form; the key of a pattern takes no parentheses.
_LEFT = {(ast.ClassDef, "decorator_list"), (ast.MatchMapping, "keys")}
_TYPES = {"Literal", "cast", "TypeVar", "NewType"}


def mutations(path: str, source: str) -> list[Mutation]:
    """All of a file, in its order. Raises SyntaxError or yaml.YAMLError for what is none."""
    if path.endswith(".py"):
        places = _Places(path, source)
        places.visit(ast.parse(source))
        return places.found
    return list(of_yaml(path, source))


def definitions(path: str, source: str) -> list[tuple[tuple[int, int], tuple[str, ...]]]:
    """The first and last line of each statement outside of functions that gives a value a name."""
    if not path.endswith(".py"):
        return []
    blocks, found = [ast.parse(source).body], []
    while blocks:
        for node in blocks.pop():
            if isinstance(node, ast.ClassDef):
                blocks.append(node.body)
            elif isinstance(node, ast.Assign | ast.AnnAssign) and (names := _defined(node)):
                found.append(((node.lineno, node.end_lineno or node.lineno), names))
    return found


class _Places(ast.NodeVisitor):
    def __init__(self, path: str, source: str) -> None:
        self.found: list[Mutation] = []
        self._path = path
        self._source = source.encode()
        self._texts = self._source.splitlines(keepends=True)
        self._starts = [0, *itertools.accumulate(map(len, self._texts))]
        self._lines = (1, 1)
        self._names: tuple[str, ...] = ()
        self._inside = False

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.stmt):
            self._statement(node)
        else:
            self._expression(node)

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass) or _is_prose(node):
            return
        if isinstance(node, ast.If) and _is_for_readers(node.test):
            return
        if isinstance(node, ast.ClassDef) and any(map(_is_protocol, node.bases)):
            return
        around = self._lines, self._names
        body = getattr(node, "body", None)
        last = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno
        self._lines = node.lineno, last
        if not self._inside:
            self._names = (*self._names[:1], *_defined(node))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self._function(node)
        else:
            self._changes_of(node)
            self._children(node)
        self._lines, self._names = around

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for default in [*node.args.defaults, *node.args.kw_defaults, *node.decorator_list]:
            if default is not None:
                self.visit(default)
        inside, names = self._inside, self._names
        self._inside, self._names = True, ()
        for child in node.body:
            self.visit(child)
        self._inside, self._names = inside, names

    def _changes_of(self, node: ast.stmt) -> None:
        if isinstance(node, ast.If | ast.While):
            negated = ast.UnaryOp(ast.Not(), node.test)
            self._change("condition", node.test, f"({ast.unparse(negated)})")
        elif isinstance(node, ast.Return) and node.value and not _is_falsy(node.value):
            self._change("return", node, "return None")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Await):
            self._change("statement", node, "pass")

    def _children(self, node: ast.AST) -> None:
        for field, value in ast.iter_fields(node):
            if (type(node), field) in _LEFT or field in {"annotation", "returns", "type_params"}:
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    self.visit(child)

    def _expression(self, node: ast.AST) -> None:
        if isinstance(node, ast.JoinedStr) or _is_type(node):
            return
        if isinstance(node, ast.keyword) and node.arg in _LEFT_ALONE:
            return
        if isinstance(node, ast.expr):
            for operator, changed in (*_of_operators(node), *_of_calls(node), *_of_constants(node)):
                self._change(operator, node, f"({ast.unparse(changed)})")
        self._children(node)

    def _change(self, operator: str, node: ast.expr | ast.stmt, after: str) -> None:
        start = self._starts[node.lineno - 1] + node.col_offset
        end = self._starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        self.found.append(
            Mutation(
                path=self._path,
                operator=operator,
                line=node.lineno,
                text=self._texts[node.lineno - 1].decode().strip(),
                lines=self._lines,
                start=start,
                end=end,
                before=self._source[start:end].decode(),
                after=after,
                names=self._names,
            )
        )


# Each gives the operator of every change of this node alone, and what it becomes.
def _of_operators(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Compare(left=left, ops=[compares, *others], comparators=compared):
            yield "comparison", ast.Compare(left, [_COMPARED[type(compares)](), *others], compared)
        case ast.BoolOp(op=operator, values=values):
            other = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield "boolean", ast.BoolOp(other, values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "boolean", operand
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _CALCULATED:
            yield "arithmetic", ast.BinOp(left, _CALCULATED[type(operator)](), right)
        case ast.IfExp(test=test, body=body, orelse=otherwise):
            yield "condition", ast.IfExp(ast.UnaryOp(ast.Not(), test), body, otherwise)


def _of_calls(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Call):
        for left_out in node.keywords:
            if left_out.arg and left_out.arg not in _LEFT_ALONE:
                kept = [keyword for keyword in node.keywords if keyword is not left_out]
                yield "argument", ast.Call(node.func, node.args, kept)


def _of_constants(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Constant(value=bool() as flag):
            yield "flag", ast.Constant(not flag)
        case ast.Constant(value=int() | float() as number):
            yield "number", ast.Constant(number + 1)
        case ast.Constant(value=str() as name) if not re.search(r"\s", name):
            yield "name", ast.Constant(f"{name}x")


def _defined(node: ast.stmt) -> tuple[str, ...]:
    """What a statement outside of functions gives a name to."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return (node.name,)
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return tuple(target.id for target in targets if isinstance(target, ast.Name))


def _is_prose(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return "__all__" in _defined(node)
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_for_readers(test: ast.expr) -> bool:
    return ast.unparse(test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING", "__name__ == '__main__'"}


def _is_protocol(base: ast.expr) -> bool:
    """Whether nothing of the class runs: another one implements it."""
    return isinstance(base, ast.Name) and base.id == "Protocol"


def _is_falsy(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or node.value is False)


def _is_type(node: ast.AST) -> bool:
    of = node.func if isinstance(node, ast.Call) else getattr(node, "value", None)
    return isinstance(of, ast.Name) and of.id in _TYPES
