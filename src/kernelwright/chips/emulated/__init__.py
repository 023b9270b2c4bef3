"""Emulated accelerators: function from the compiler's native code, time from TritonGPU IR through an event engine."""
