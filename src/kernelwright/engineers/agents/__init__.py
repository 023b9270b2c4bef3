"""Agents of other makers as engineers: started without a screen, given the tools over MCP, supervised."""

from kernelwright.engineers.agents.engineer import AgentEngineer

__all__ = ["AgentEngineer"]
