"""The server: every process, socket and database of the product. `llm_agent_builder` has none."""
