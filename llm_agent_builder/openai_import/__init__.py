"""Agents of OpenAI's Agents SDK, read as text, as specs with a report."""
