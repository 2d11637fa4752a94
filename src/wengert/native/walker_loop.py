"""The walker's loop, in LLVM IR: how it begins, goes on, and leaves.

There is one block for each instruction (`walker.Do`), in `walker_leaves`,
`walker_places` and `walker_results`. Their ways out: `step2` … `step5` go on behind
that many words, `mismatch` leaves for the next path, `absent` too unless something
raised, `fail` for an exception that is set, `failed` for a step of the program. Names
in braces are put in by `walker.text`.
"""

from wengert.native.walker_leaves import LEAVES
from wengert.native.walker_places import CAPTURED, CONTAINERS
from wengert.native.walker_results import RESULTS

# Whether the arguments are as many as expected; the frame; the dispatch.
_BEGIN = """
define internal ptr @walk(ptr %args, i64 %nargs, ptr %names, ptr %path) {
entry:
  %want.args = call i64 @word(ptr %path, i64 {ARGS})
  %fits.args = icmp eq i64 %nargs, %want.args
  br i1 %fits.args, label %count.names, label %no
no:
  ret ptr inttoptr (i64 {NEXT} to ptr)
count.names:
  %named = icmp ne ptr %names, null
  br i1 %named, label %some.names, label %names.known
some.names:
  %names.size = call i64 @word(ptr %names, i64 2)
  br label %names.known
names.known:
  %nkw = phi i64 [ 0, %count.names ], [ %names.size, %some.names ]
  %want.kw = call i64 @word(ptr %path, i64 {KEYWORDS})
  %fits.kw = icmp eq i64 %nkw, %want.kw
  br i1 %fits.kw, label %begin, label %no

begin:
  %pcs = alloca ptr
  %heldn = alloca i64
  %builtn = alloca i64
  %fresh = alloca ptr
  %key = alloca ptr
  %val = alloca ptr
  %pos = alloca i64
  %flag = alloca i32
  %bytes = call i64 @word(ptr %path, i64 {FRAME})
  %large = icmp sgt i64 %bytes, {LARGE}
  br i1 %large, label %heap, label %stack
stack:
  %local = alloca i8, i64 %bytes, align 64
  br label %framed
heap:
  %block = call ptr @PyMem_RawMalloc(i64 %bytes)
  %got = icmp ne ptr %block, null
  br i1 %got, label %framed, label %no.memory
no.memory:
  %nomem = call ptr @PyErr_NoMemory()
  ret ptr null
framed:
  %frame = phi ptr [ %local, %stack ], [ %block, %heap ]
  %values.at = call i64 @word(ptr %path, i64 {VALUES})
  %values = getelementptr i8, ptr %frame, i64 %values.at
  %objects.at = call i64 @word(ptr %path, i64 {OBJECTS})
  %objects = getelementptr i8, ptr %frame, i64 %objects.at
  %nobjects = call i64 @word(ptr %path, i64 {OBJECT_COUNT})
  %held.at = call i64 @word(ptr %path, i64 {HELD})
  %held = getelementptr i8, ptr %frame, i64 %held.at
  %built.at = call i64 @word(ptr %path, i64 {BUILT})
  %built = getelementptr i8, ptr %frame, i64 %built.at
  store i64 0, ptr %heldn
  store i64 0, ptr %builtn
  %all = add i64 %nargs, %nkw
  br label %copy.args
copy.args:
  %ai = phi i64 [ 0, %framed ], [ %ai.next, %copy.one ]
  %ai.end = icmp eq i64 %ai, %all
  br i1 %ai.end, label %clear, label %copy.one
copy.one:
  %arg = call ptr @object(ptr %args, i64 %ai)
  %into = getelementptr ptr, ptr %values, i64 %ai
  store ptr %arg, ptr %into
  %ai.next = add i64 %ai, 1
  br label %copy.args
clear:
  %oi = phi i64 [ 0, %copy.args ], [ %oi.next, %clear.one ]
  %oi.end = icmp eq i64 %oi, %nobjects
  br i1 %oi.end, label %first, label %clear.one
clear.one:
  %oa = getelementptr ptr, ptr %objects, i64 %oi
  store ptr null, ptr %oa
  %oi.next = add i64 %oi, 1
  br label %clear
first:
  %code = getelementptr i64, ptr %path, i64 {CODE}
  store ptr %code, ptr %pcs
  br label %loop

loop:
  %pc = load ptr, ptr %pcs
  %op = load i64, ptr %pc
  switch i64 %op, label %impossible [
{TABLE}
  ]
impossible:
  unreachable
step2:
  br label %step
step3:
  br label %step
step4:
  br label %step
step5:
  br label %step
step:
  %width = phi i64 [ 2, %step2 ], [ 3, %step3 ], [ 4, %step4 ], [ 5, %step5 ]
  %after = getelementptr i64, ptr %pc, i64 %width
  store ptr %after, ptr %pcs
  br label %loop

"""

# What was found, and the ways out: each gives back all that the call holds.
_LEAVE = """
RETURN:                      ; op
  %result = load ptr, ptr %built
  store i64 0, ptr %builtn
  br label %leave
absent:                      ; nothing was found, or looking raised
  %x.error = call ptr @PyErr_Occurred()
  %x.none = icmp eq ptr %x.error, null
  br i1 %x.none, label %mismatch, label %x.raised
x.raised:
  %x.fine = call i1 @pardonable()
  br i1 %x.fine, label %mismatch, label %fail
mismatch:
  br label %leave
failed:
  br label %leave
fail:
  br label %leave
leave:
  %answer = phi ptr [ %result, %RETURN ], [ inttoptr (i64 {NEXT} to ptr), %mismatch ],
    [ inttoptr (i64 {FAILED} to ptr), %failed ], [ null, %fail ]
  %h.n = load i64, ptr %heldn
  %h.none = icmp eq i64 %h.n, 0
  br i1 %h.none, label %drop.objects, label %drop.held
drop.held:
  call void @drop_all(ptr %held, i64 %h.n)
  br label %drop.objects
drop.objects:
  call void @drop_all(ptr %objects, i64 %nobjects)
  %s.n = load i64, ptr %builtn
  call void @drop_all(ptr %built, i64 %s.n)
  br i1 %large, label %free, label %done
free:
  call void @PyMem_RawFree(ptr %frame)
  br label %done
done:
  ret ptr %answer
}

define internal void @hold(ptr %o, ptr %held, ptr %count) alwaysinline {
  call void @incref(ptr %o)
  call void @keep(ptr %o, ptr %held, ptr %count)
  ret void
}

define internal void @keep(ptr %o, ptr %held, ptr %count) alwaysinline {
  %n = load i64, ptr %count
  %at = getelementptr ptr, ptr %held, i64 %n
  store ptr %o, ptr %at
  %more = add i64 %n, 1
  store i64 %more, ptr %count
  ret void
}
"""


WALK = _BEGIN + LEAVES + CONTAINERS + CAPTURED + RESULTS + _LEAVE
