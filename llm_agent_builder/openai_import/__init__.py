"""Converts agents of OpenAI's Agents SDK to specs, with a report, without running them."""
