"""The built-in engineer: probes the chip, composes candidates, tunes them; no model, no network."""

from kernelwright.engineers.search.engineer import SearchEngineer

__all__ = ["SearchEngineer"]
