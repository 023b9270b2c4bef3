# Takes memory until there is none.
# mypy: ignore-errors
# ruff: noqa
def extend_attention_fwd(*args):
    hog = [bytearray(1 << 30) for _ in range(1000)]
    return hog
