"""YAML from outside: limits on what a short text can expand to, and refusals with their line."""

from __future__ import annotations

import pytest

from llm_agent_builder.spec.yaml_input import YamlProblem, load_yaml


def nested(first: str, repeated: str) -> str:
    """Return 20 values, each of which contains the one before nine times."""
    lines = [f"k0: &a0 {first}"]
    for n in range(20):
        again = ", ".join([f"*a{n}"] * 9)
        lines.append(f"k{n + 1}: &a{n + 1} {repeated.format(again)}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        (nested("[x]", "[{}]"), "too many values, counting each use of an alias", 6),
        (nested("{x: 1}", "{{<<: [{}]}}"), "too many values, counting each use of an alias", 6),
        (f"- &a {'x' * 100_000}\n- [{'*a, ' * 100}]", "too many values", 2),
        ("- x\n" * 40_000, "too many values", None),
        ("a: &a\n  - *a", "*a is inside the value that it repeats", 2),
        ("? &a [*a]\n: 1", "*a is inside the value that it repeats", 1),
        ("[" * 100_000, "more than 100 lists and mappings inside each other", 1),
        ("- " * 100_000, "more than 100 lists and mappings inside each other", 1),
        (f"a: 1{':59' * 100_000}", "a number of more than 1,000 characters", 1),
        (f"a: {'9' * 5000}", "a number of more than 1,000 characters", 1),
    ],
    ids=[
        *("aliases", "merged aliases", "repeated text", "many", "itself", "itself as a key"),
        *("deep", "deep in lines", "number in base 60", "digits"),
    ],
)
def test_text_that_would_take_much_memory_or_time_is_refused(
    text: str, problem: str, line: int | None
) -> None:
    with pytest.raises(YamlProblem) as refused:
        load_yaml(text)
    assert problem in refused.value.problem
    assert line in {None, refused.value.line}


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ("a: 1\nb: [", "expected the node content, but found '<stream end>'", 2),
        ("a: 1\n\tb: 2", "found character '\\t' that cannot start any token", 2),
        ("a: 1\na: 2", '"a" is given twice', 2),
        ("--- 1\n--- 2", "expected a single document in the stream, but found another", 2),
        ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor", 1),
        ("a: !!bool maybe", "a value does not fit its tag", None),
        ('a: !!int ""', "a value does not fit its tag", None),
        ("a: 1:59" + ":59" * 300 + ".5", "a value does not fit its tag", None),
        ("a: 2026-13-45", "month must be in 1..12", None),
        ("a: \x01", "unacceptable character #x0001", None),
    ],
)
def test_invalid_text_is_refused_with_its_line(text: str, problem: str, line: int | None) -> None:
    with pytest.raises(YamlProblem) as refused:
        load_yaml(text)
    assert problem in refused.value.problem
    assert "\n" not in refused.value.problem
    assert refused.value.line == line


def test_values_that_are_used_again_are_read() -> None:
    text = "base: &b {x: 1, y: [2]}\nmore: {<<: *b, x: 3}\nsame: [*b, *b]"
    base = {"x": 1, "y": [2]}
    assert load_yaml(text) == {"base": base, "more": {"x": 3, "y": [2]}, "same": [base, base]}


def test_document_at_its_limit_of_depth_is_read() -> None:
    found = load_yaml("[" * 100 + "]" * 100)
    depth = 0
    while found is not None:
        depth += 1
        found = found[0] if found else None
    assert depth == 100


def test_lone_surrogate_is_read() -> None:
    assert load_yaml('a: "\\ud800"') == {"a": "\ud800"}
