"""How fast ordinary Triton kernels run here, against torch and against Triton's interpreter.

`kernels` and `products` hold the sources, `cases` what is compared with what; `worker` measures in a process of its
own.
"""
