"""The Triton back-end plug-in: unmodified `@triton.jit` kernels run on CPU tensors.

Triton finds it through the entry point group `triton.backends` and imports the modules `compiler`
and `driver` of this package.
"""
