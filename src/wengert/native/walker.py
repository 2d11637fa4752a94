"""The native part of a call, in LLVM IR: from Python arguments to Python results.

One function, `@walk`, serves every compiled path. It reads the path's record: a few
words of header (`Header`), then a list of instructions (`Do`) that `encode` wrote from
the path's `Signature`. It keeps all that it holds in one frame on the stack, so that a
failure at any point can give everything back.

Why not code made for each path: that code would save about 10 ns a call, and cost
milliseconds of LLVM's time for each path. This is compiled once per machine.
"""

from enum import IntEnum, auto

from wengert.native import capi
from wengert.native import walker_parts as parts
from wengert.native.walker_loop import WALK


class Header(IntEnum):
    """The words at the beginning of a path's record. All offsets are in bytes."""

    PROGRAM = 0  # int32 program(inputs, outputs, arena)
    ARENA_BYTES = auto()
    ARENA = auto()  # the block that waits for the next call, or 0
    UNLOCK = auto()  # whether other Python threads may run meanwhile
    ARGS = auto()  # positional arguments
    KEYWORDS = auto()
    FRAME = auto()  # bytes of the frame; the inputs' pointers stand at its start
    OUTPUTS = auto()  # offset in the frame: the outputs' pointers
    OBJECTS = auto()  # offset: outputs that are Python objects
    OBJECT_COUNT = auto()
    VALUES = auto()  # offset: Python objects that were met in the arguments
    HELD = auto()  # offset: those of them that the call itself must keep alive
    BUILT = auto()  # offset: the stack on which the result is put together
    ON_FAILURE = auto()  # what to call when the program reports a failure, or 0
    CALLS = auto()  # how often the path has answered
    LEFT = auto()  # how often its program left it at a guard
    CODE = auto()  # the first instruction


class Do(IntEnum):
    """The instructions; the words that follow each are named in `encode`."""

    KEYWORDS = 1
    ARRAY = auto()
    SCALAR = auto()
    FLOAT = auto()
    INT = auto()
    BOOL = auto()
    COMPLEX = auto()
    IS = auto()
    EQUAL = auto()
    TUPLE = auto()
    LIST = auto()
    DICT = auto()
    ORDERED = auto()
    IN_ORDER = auto()
    TYPE = auto()
    FIELD = auto()
    GLOBAL = auto()
    CELL = auto()
    ITEM = auto()
    ABSENT = auto()
    SAME_GLOBAL = auto()
    SAME_CELL = auto()
    OBJECT = auto()
    FIXED = auto()
    NEW = auto()
    PLACE = auto()
    RUN = auto()
    COPY = auto()
    PUSH = auto()
    PUSH_COPY = auto()
    PUSH_SCALAR = auto()
    PUSH_FLOAT = auto()
    PUSH_INT = auto()
    PUSH_BOOL = auto()
    PUSH_STATIC = auto()
    MAKE_TUPLE = auto()
    MAKE_LIST = auto()
    MAKE_DICT = auto()
    MAKE = auto()
    RETURN = auto()


# What `@walk` returns beside an object or null (an exception): impossible addresses.
NEXT, FAILED = 1, 2
# A frame larger than this is taken from the heap.
_LARGE = 16384


def text() -> str:
    """The module's part: everything that `@walk` needs, and `@walk`."""
    whole = "".join(
        [parts.DECLARED, capi.reference_counting(), parts.READERS, parts.ARRAY_LIKE,
         parts.STORE_INT, parts.EQUAL, parts.RUN, parts.DROP, WALK]
    )  # fmt: skip
    made = ("ORDERED", "MAKE_TUPLE", "MAKE_LIST", "MAKE_DICT", "MAKE")
    put_in: dict[str, object] = {
        **{h.name: h.value for h in Header},
        **{name: Do[name].value for name in made},
        "NEXT": NEXT, "FAILED": FAILED, "LARGE": _LARGE,
        "TABLE": "\n".join(f"    i64 {op.value}, label %{op.name}" for op in Do),
    }  # fmt: skip
    for name, value in put_in.items():
        whole = whole.replace("{" + name + "}", str(value))
    return whole
