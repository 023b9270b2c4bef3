"""The words of Kernelwright: frozen records, protocols, errors. Standard library only, no I/O."""
