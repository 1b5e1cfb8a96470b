"""YAML from outside: limits on what a short text can expand to, and refusals with their line."""

from __future__ import annotations

import pytest

from llm_agent_builder.spec.yaml_input import YamlProblem, load_yaml

TOO_LARGE = "more than 8 MiB of values (each alias counts as the value that it repeats)"


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
        (nested("[x]", "[{}]"), TOO_LARGE, 6),
        (nested("{x: 1}", "{{<<: [{}]}}"), TOO_LARGE, 6),
        (f"- &a {'x' * 100_000}\n- [{'*a, ' * 100}]", TOO_LARGE, 2),
        ("- x\n" * 40_000, TOO_LARGE, None),
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
        ('"":\n"":', '"" is given twice', 2),
        ('"a\\nb":\n"a\\nb":', r'"a\nb" is given twice', 2),
        ("a: &a {b: 1, b: 2}\nc: *a", '"b" is given twice', 1),
        ("a: {<<: 1}", "<< takes a mapping or a list of mappings", 1),
        ("a:\n  <<: [{}, []]", "<< takes a mapping or a list of mappings", 2),
        ("a:\n  - b: !!set [c]", "expected a mapping node, but found sequence", 2),
        ('a: 1\nb: "\\UFFFFFFFF"', "an escape sequence or a version is out of range", 2),
        ('a: 1\nb: "\\U00110000"', "an escape sequence or a version is out of range", 2),
        (f"%YAML {'9' * 5000}.1\n---", "an escape sequence or a version is out of range", 1),
        ("a: 1\nb: \x01", "unacceptable character #x0001", 2),
    ],
)
def test_invalid_text_is_refused_with_its_line(text: str, problem: str, line: int | None) -> None:
    with pytest.raises(YamlProblem) as refused:
        load_yaml(text)
    assert problem in refused.value.problem
    assert "\n" not in refused.value.problem
    assert refused.value.line == line


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("2026-13-45", "'2026-13-45' is not a valid timestamp; put text in quotes"),
        ("2026-01-01 10:00:00 +99:00", "'2026-01-01 10:00:00 +99:00' is not a valid timestamp; "),
        ("!!timestamp x", "'x' is not a valid timestamp; "),
        ("!!bool maybe", "'maybe' is not a valid bool; "),
        ('!!int ""', "'' is not a valid int; "),
        (r'!!float "1\n2"', r"'1\n2' is not a valid float; "),
        (r'!!int "\ud800"', r"'\ud800' is not a valid int; "),
        ("1:59" + ":59" * 300 + ".5", f"'1:59{':59' * 25}:' is not a valid float; "),
        ("!!timestamp {=: 2026-01-01}", "a mapping is not a valid timestamp"),
        ("!!int {=: x}", "a mapping is not a valid int"),
    ],
)
def test_value_that_can_not_be_read_is_named_with_its_line(value: str, problem: str) -> None:
    for text in (f"a: 1\nb:\n  - {value}", f"a: 1\nb:\n  ? {value}\n  : 1"):
        with pytest.raises(YamlProblem) as refused:
            load_yaml(text)
        assert refused.value.problem.startswith(problem)
        assert "\n" not in refused.value.problem
        assert refused.value.line == 3


@pytest.mark.parametrize("key", ["x", "name"])
@pytest.mark.parametrize(
    ("text", "merged"),
    [
        ("a: [&a {<<: {KEY: 1}, KEY: 2}]\nb: {<<: *a}", 2),
        ("b: {<<: {<<: {KEY: 1}, KEY: 2}}", 2),
        ("a: [&a {KEY: 1}, &b {KEY: 2}]\nb: {<<: [*a, *b]}", 1),
        ("a: [&a {KEY: 1}, &b {<<: *a, KEY: 2}]\nb: {<<: [*b, *a]}", 2),
        ("a: [&a {KEY: 1}, &b {<<: *a, KEY: 2}]\nb: {KEY: 3, <<: [*a, *b]}", 3),
    ],
)
def test_key_in_several_merged_mappings_has_its_nearest_value(
    text: str, key: str, merged: int
) -> None:
    assert load_yaml(text.replace("KEY", key))["b"] == {key: merged}


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
