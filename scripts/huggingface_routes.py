"""Count how many of Hugging Face's inference partners serve each model, most first.

The source of the curated list in `llm_agent_builder/catalog/offline.py`: the routes that the
installed genai-prices knows.
"""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version

from genai_prices.data_snapshot import get_snapshot


def main() -> None:
    partners = [row for row in get_snapshot().providers if row.id.startswith("huggingface_")]
    counted = Counter(model.id for partner in partners for model in partner.models)
    print(f"genai-prices {version('genai-prices')}, {len(partners)} partners")
    for model_id, count in counted.most_common(20):
        print(f"{count:3}  {model_id}")


if __name__ == "__main__":
    main()
