"""The ops that a slice works out when a branch, an address or a mask needs them."""

INTEGER_OPS = frozenset(
    "arith." + name
    for name in (
        "addi", "subi", "muli", "divsi", "divui", "remsi", "remui", "floordivsi", "ceildivsi", "andi", "ori", "xori",
        "shli", "shrsi", "shrui", "minsi", "maxsi", "minui", "maxui", "cmpi", "select", "extsi", "extui", "trunci",
        "index_cast", "index_castui", "constant",
    )
) | {"math.absi", "tt.mulhiui"}  # fmt: skip

SCALAR_FLOAT_OPS = frozenset(
    "arith." + name
    for name in (
        "addf", "subf", "mulf", "divf", "minnumf", "maxnumf", "minimumf", "maximumf", "negf", "cmpf", "select", "extf",
        "truncf", "sitofp", "uitofp", "fptosi", "fptoui", "constant",
    )
) | {"math.floor", "math.ceil", "math.absf"}  # fmt: skip

_SHAPE_OPS = frozenset(
    "tt." + name
    for name in (
        "get_program_id", "get_num_programs", "make_range", "splat", "unsplat", "expand_dims", "broadcast", "reshape",
        "trans", "cat", "join", "split", "addptr", "bitcast", "ptr_to_int", "int_to_ptr", "load", "reduce",
        "scan", "atomic_rmw", "atomic_cas", "atomic_load", "atomic_poll",
    )
) | {"ttg.convert_layout", "ttg.local_alloc", "ttg.local_load", "ttg.memdesc_index", "arith.bitcast",
    "ub.poison"}  # fmt: skip

SLICED_OPS = INTEGER_OPS | _SHAPE_OPS
