"""The address-and-control slice of a lowered kernel: from ops to a register program, and the machine that runs it."""
