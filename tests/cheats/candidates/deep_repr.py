# Nests lists until native code overflows its stack.
# mypy: ignore-errors
# ruff: noqa
def extend_attention_fwd(*args):
    nest = []
    for _ in range(10**6):
        nest = [nest]
    repr(nest)
