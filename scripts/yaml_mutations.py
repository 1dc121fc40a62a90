"""The changes of a YAML file: of its scalars that are values, prose left out."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from scripts.mutation import Mutation


def of_yaml(path: str, source: str) -> Iterator[Mutation]:
    """In the file's order. Raises yaml.YAMLError for what is none."""
    lines = source.splitlines()
    for document in yaml.compose_all(source, Loader=yaml.SafeLoader):
        for node in _values(document):
            changed = _changed_scalar(node)
            if changed is None:
                continue
            operator, after = changed
            # PyYAML counts characters.
            start = len(source[: node.start_mark.index].encode())
            before = source[node.start_mark.index : node.end_mark.index]
            line = node.start_mark.line + 1
            yield Mutation(
                path=path,
                operator=operator,
                line=line,
                text=lines[line - 1].strip(),
                lines=(line, line),
                start=start,
                end=start + len(before.encode()),
                before=before,
                after=after,
            )


def _values(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    """The scalars that are values, keys not."""
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _values(item)
    elif isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            yield from _values(value)


def _changed_scalar(node: yaml.ScalarNode) -> tuple[str, str] | None:
    kind = node.tag.rsplit(":", 1)[-1]
    if kind == "bool":
        return "flag", "false" if node.value.lower() == "true" else "true"
    if kind == "int":
        return "number", str(int(node.value) + 1)
    if kind == "str" and node.style in {None, '"', "'"} and not re.search(r"\s", node.value):
        return "name", f'"{node.value}x"'
    return None
