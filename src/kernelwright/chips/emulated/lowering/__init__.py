"""From TritonGPU IR to the tile program: layouts, alignment, barriers, registers, and what lanes work out."""
