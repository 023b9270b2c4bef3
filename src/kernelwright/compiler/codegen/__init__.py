"""From Triton IR records to LLVM IR text.

A tensor is not a value of LLVM's: most are *lazy*, evaluated chunk by chunk inside the loop nest of
whoever needs them; some live in *buffers* in the thread's scratch memory. See
`docs/design/006-code-generation.md`.
"""
