"""Messages about invalid values: in one wording, whether they are ours or pydantic's."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, Field, HttpUrl, TypeAdapter, ValidationError

from llm_agent_builder.validation.messages import describe_error


def refuse(value: str) -> str:
    raise ValueError("say how it should be")


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (int, "x", "must be a whole number"),
        (Literal["a", "b"], "c", "must be 'a' or 'b'"),
        (Annotated[int, Field(ge=3)], 2, "must be at least 3"),
        (date, [], "must be a date"),
        (HttpUrl, "should be", "must be a URL, relative URL without a base"),
        (Annotated[str, Field(min_length=1)], "", "String must have at least 1 character"),
        (Annotated[str, Field(pattern="a")], "", "String must match pattern 'a'"),
        (Annotated[str, AfterValidator(refuse)], "", "say how it should be"),
    ],
)
def test_requirement_is_stated_in_words_of_ours(kind: Any, value: object, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    assert describe_error(caught.value.errors()[0]) == message
