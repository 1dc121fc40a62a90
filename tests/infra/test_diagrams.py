"""The drawings in the documents show what the templates hold."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from cdk.config.deployment import ENVIRONMENTS
from cdk.diagram.__main__ import path_of
from cdk.diagram.draw import draw
from cdk.diagram.svg import wrapped

Assemblies = Mapping[str, Mapping[str, dict[str, Any]]]
_SVG = "{http://www.w3.org/2000/svg}"


def _texts(drawn: str) -> list[ET.Element]:
    return list(ET.fromstring(drawn).iter(f"{_SVG}text"))  # noqa: S314 - our own


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_drawing_in_the_documents_is_the_one_of_the_templates(
    name: str, assemblies: Assemblies, write_tables: bool
) -> None:
    """--write-tables draws it anew."""
    drawn = draw(name, assemblies[name])
    if write_tables:
        path_of(name).parent.mkdir(parents=True, exist_ok=True)
        path_of(name).write_text(drawn, encoding="utf-8")
    assert path_of(name).read_text(encoding="utf-8") == drawn


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_same_templates_give_the_same_bytes(name: str, assemblies: Assemblies) -> None:
    """A drawing changes only with what it shows."""
    assert draw(name, assemblies[name]) == draw(name, copy.deepcopy(dict(assemblies[name])))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_no_text_overlaps_another_or_leaves_the_page(name: str, assemblies: Assemblies) -> None:
    """Every line can be read, in any sans-serif face as wide as the one reckoned with."""
    drawn = draw(name, assemblies[name])
    root = ET.fromstring(drawn)  # noqa: S314 - our own
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    boxes = []
    for text in _texts(drawn):
        size, words = float(text.attrib["font-size"]), text.text or ""
        wide = len(words) * size * 0.56
        x, y = float(text.attrib["x"]), float(text.attrib["y"])
        if text.attrib.get("text-anchor") == "middle":
            x -= wide / 2
        assert x >= 0, words
        assert x + wide <= width, words
        assert size < y < height, words
        boxes.append((x, y - size, x + wide, y, words))
    for at, one in enumerate(boxes):
        for other in boxes[at + 1 :]:
            apart = (
                one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
            )
            assert apart, (one[4], other[4])


def test_production_shows_what_an_operator_looks_for(assemblies: Assemblies) -> None:
    """Both regions, their networks, the nodes, the database, the cache and the failover."""
    drawn = draw("production", assemblies["production"])
    said = "\n".join(text.text or "" for text in _texts(drawn))
    for fact in (
        "us-east-1, primary region",
        "us-west-2, recovery region",
        "VPC 10.0.0.0/16",
        "VPC 10.1.0.0/16",
        "3 to 10 nodes t3.large",
        "db.r6g.large, Multi-AZ, gp3 100 GB growing to 500",
        "RDS read replica",
        "cache.r6g.large, 3 nodes",
        "PRIMARY",
        "SECONDARY",
    ):
        assert fact in said, fact
    assert said.count("NAT gateway") == 4
    assert len(re.findall(r"^10\.[01]\.\d+\.0/\d+$", said, re.MULTILINE)) == 18


def test_a_changed_template_changes_the_drawing(assemblies: Assemblies) -> None:
    """What is drawn is read, not remembered."""
    changed = copy.deepcopy(dict(assemblies["development"]))
    for template in changed.values():
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::RDS::DBInstance":
                resource["Properties"]["DBInstanceClass"] = "db.x9.huge"
    assert "db.x9.huge" in draw("development", changed)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_drawing_is_readable_anywhere(name: str, assemblies: Assemblies) -> None:
    """A background of its own for dark pages, a title and a description, nothing from outside."""
    drawn = draw(name, assemblies[name])
    root = ET.fromstring(drawn)  # noqa: S314 - our own
    background = root.find(f"{_SVG}rect")
    assert background is not None
    assert background.attrib["fill"] == "#ffffff"
    assert root.attrib["aria-labelledby"] == "title about"
    assert name in (root.findtext(f"{_SVG}title") or "")
    assert "subnets" in (root.findtext(f"{_SVG}desc") or "")
    assert not re.search(r"<script|<image|<foreignObject|href|@import|url\((?!#)", drawn)


def test_a_long_word_is_broken_rather_than_cut() -> None:
    """A name that fits no line is still told whole."""
    full = max(map(len, wrapped("b" * 100, 200)))
    assert wrapped("b" * full, 200) == ["b" * full]
    lines = wrapped("a " + "b" * 100, 200)
    assert "".join(lines).replace(" ", "") == "a" + "b" * 100
    assert max(map(len, lines)) <= 29
