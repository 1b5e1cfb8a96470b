/** What a new tool and a new typed answer start from. */

export const NEW_TOOL = `def word_count(text: str) -> str:
    """Count the words of a text.

    Args:
        text: The text to count in.
    """
    return str(len(text.split()))
`;

export const NEW_ANSWER = `from pydantic import BaseModel, Field


class City(BaseModel):
    """Facts about a city."""

    name: str
    country: str
    population: int | None = Field(description="Number of inhabitants, if known.")
`;
