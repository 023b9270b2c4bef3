"""Language models as engineers: the loop is ours, a library speaks to providers. Needs the extra `llm` to work."""

from kernelwright.engineers.model.engineer import ModelEngineer

__all__ = ["ModelEngineer"]
