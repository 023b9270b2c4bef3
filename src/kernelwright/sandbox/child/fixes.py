"""What to change, for the mistakes that people make most often in Triton; the message itself is the front end's."""

import re

_FIXES: tuple[tuple[str, str], ...] = (
    (r"Cannot access global variable", "pass it as an argument, or make it tl.constexpr(...) at the top of the file"),
    (r"range must be a power of 2|must be a power of 2|non-power-of-2", "round the size up and mask what is beyond"),
    (r"arguments must be of type tl\.constexpr|must be a constexpr|must be constexpr",
     "make the size a tl.constexpr parameter"),
    (r"Loop-carried variable", "give it the type of the loop before the loop, such as tl.zeros(shape, tl.float32)"),
    (r"incompatible dimensions", "align axes with [:, None] and [None, :], or change a tile size"),
    (r"equal reduction dimensions", "the inner sizes of tl.dot must be equal; tl.trans turns an operand"),
    (r"operands must be same dtype", "cast one operand of tl.dot with .to(...)"),
    (r"unsupported AST node type: (Continue|Break)", "put the rest of the body under an if, or use a while loop"),
    (r"unsupported AST node type", "write it in the subset of Python that Triton compiles"),
    (r"Unsupported function referenced", "put @triton.jit on every function that a kernel calls"),
    (r"Value argument cannot be block type", "add tl.arange offsets to the pointer"),
    (r"Mask argument cannot be block type", "add tl.arange offsets to the pointer"),
    (r"unsupported tensor index", "tensors have no elements to index; use a reduction, tl.gather or another load"),
    (r"Unsupported ptr type", "give a tensor where the kernel expects a pointer"),
    (r"Boolean value of Tensor|must be 1-bit signless integer.*tensor<", "a condition on a tensor is tl.where, not if"),
    (r"exceeds triton maximum tensor numel", "make the tile smaller"),
    (r"only tuple comprehensions", "use a loop over tl.static_range"),
    (r"NameError\('(\w+) is not defined", "define it on every path before this line"),
    (r"has no attribute", "look the name up in triton.language"),
    (r"[Rr]eturn .*inside loop|return statements", "return once, at the end of the function"),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), advice) for pattern, advice in _FIXES)


def fix_of(message: str) -> str:
    """Return what to change about a front end's message, in a few words; empty where nothing is known."""
    return next((advice for pattern, advice in _COMPILED if pattern.search(message)), "")
