"""AgentSpec: the description of an agent."""
