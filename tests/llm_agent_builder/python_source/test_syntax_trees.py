"""Source becomes a tree also where other threads make theirs."""

from __future__ import annotations

import ast
import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from llm_agent_builder.python_source.syntax_trees import syntax_tree


@pytest.fixture
def threads_change_within_trees() -> Iterator[None]:
    """Have the collector run often, and let other threads go on whenever it does."""

    def let_others_go_on(phase: str, facts: dict[str, int]) -> None:
        time.sleep(0)

    usual = gc.get_threshold()
    gc.callbacks.append(let_others_go_on)
    gc.set_threshold(50)
    yield
    gc.set_threshold(*usual)
    gc.callbacks.remove(let_others_go_on)


@pytest.mark.usefixtures("threads_change_within_trees")
def test_trees_that_threads_make_at_once_are_all_made() -> None:
    source = "x = [" + "(1, (2, (3,))), " * 200 + "]\n"
    wanted = ast.dump(ast.parse(source))
    with ThreadPoolExecutor(8) as threads:
        trees = list(threads.map(syntax_tree, [source] * 100))
    assert {ast.dump(tree) for tree in trees} == {wanted}


def test_invalid_python_is_refused() -> None:
    for source in ("def f(:\n", "x = 1\0"):
        with pytest.raises((SyntaxError, ValueError)):
            syntax_tree(source)
    assert syntax_tree("x = 1\n").body
