"""Instructions of slice programs: six int64 numbers each, (opcode, destination, a, b, c, d).

Registers are int64 (floats: a second file of the same numbering). Arithmetic up to ABS works on registers alone, `d` is
64 minus the width that its result wraps to. `table` is a place in `SliceProgram.tables`, written by `tables`.
"""

from enum import IntEnum

# Dimensions of every tensor that is worked out lane by lane; missing ones are 1, in front.
RANK = 4


class Opcode(IntEnum):
    """What an instruction does; a, b, c are registers unless said."""

    ADD = 0
    SUB = 1
    MUL = 2
    AND = 3
    OR = 4
    XOR = 5
    MIN = 6
    MAX = 7
    EQ = 8
    NE = 9
    LT = 10
    LE = 11
    GT = 12
    GE = 13
    ULT = 14
    ULE = 15
    UGT = 16
    UGE = 17
    UMIN = 18
    UMAX = 19
    DIV = 20  # towards zero, as all of Triton's signed division; 0 where the divisor is 0
    REM = 21
    FLOORDIV = 22
    CEILDIV = 23
    UDIV = 24
    UREM = 25
    SHL = 26
    SHR = 27
    USHR = 28
    SELECT = 29  # a != 0 ? b : c
    ZEXT = 30  # of a, from 64 - d bits
    MOV = 31  # wraps like arithmetic
    UMULHI = 32
    ABS = 33
    # Floats of scalars.
    FADD = 40
    FSUB = 41
    FMUL = 42
    FDIV = 43
    FMIN = 44
    FMAX = 45
    FNEG = 46
    FABS = 47
    FFLOOR = 48
    FCEIL = 49
    FSINGLE = 50  # rounds to f32
    FSELECT = 51
    FROM_INT = 52
    TO_INT = 53
    FCMP = 54  # c: 0 eq, 1 ne, 2 lt, 3 le, 4 gt, 5 ge, immediate
    TRANSFER = 59  # destination := a, in both files
    # Control.
    JUMP = 60  # d: target
    JUMP_ZERO = 61  # a; d: target
    JUMP_GE = 62  # a >= b; d: target
    BEGIN = 63  # programs start behind it, what is before is done once a launch
    RETURN = 64
    SEGMENT = 65  # a: number, immediate
    ACCESS = 66  # a: table of the access, b: address, c: active elements
    # Memory and lanes.
    LOAD = 70  # of a where b; else c; d: kind of element, immediate
    COUNT = 71  # a: table of a mask
    ANY = 72
    GET = 73  # destination := lane a (immediate) + b
    SET = 74  # lane a (immediate) + b := c
    COPY = 75  # lanes a + b.. := lanes c + d.., destination field: how many; a, c immediate
    LANES = 76  # a: table
    ELEMENTWISE = 77
    MASK_LANES = 78
    LOAD_LANES = 79
    REDUCE = 80
    SCAN = 81
    STORE_LANES = 82
    ATOMIC_LANES = 83
    QUERY = 85  # COUNT or ANY of a mask whose flags are worked out row by row
    TAINT = 84  # b: address; what is stored there is not known to a slice


LAST_INTEGER = Opcode.ABS
LAST_FLOAT = Opcode.TRANSFER

# Reductions that combine lanes, as the opcode that combines two.
COMBINERS = {
    "arith.addi": Opcode.ADD, "arith.muli": Opcode.MUL, "arith.andi": Opcode.AND, "arith.ori": Opcode.OR,
    "arith.xori": Opcode.XOR, "arith.minsi": Opcode.MIN, "arith.maxsi": Opcode.MAX, "arith.minui": Opcode.UMIN,
    "arith.maxui": Opcode.UMAX,
}  # fmt: skip
