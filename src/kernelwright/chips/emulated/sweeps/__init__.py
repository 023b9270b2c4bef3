"""Sweeps over hardware and model: factors, areas, the best kernel of each point."""
