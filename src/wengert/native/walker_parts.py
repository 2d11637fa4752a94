"""The walker's small functions, in LLVM IR: readers, checks, the run, the result.

Names in braces are put in by `walker.text`.
"""

DECLARED = """
@PyArray_Type = external global i8
@PyFloat_Type = external global i8
@PyLong_Type = external global i8
@PyComplex_Type = external global i8
@_Py_TrueStruct = external global i8
@_Py_FalseStruct = external global i8
@PyExc_Exception = external global ptr
declare ptr @PyArray_NewFromDescr(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)
declare ptr @PyArray_NewCopy(ptr, i32)
declare ptr @PyArray_Scalar(ptr, ptr, ptr)
declare i64 @PyLong_AsLongLongAndOverflow(ptr, ptr)
declare double @PyLong_AsDouble(ptr)
declare ptr @PyLong_FromLongLong(i64)
declare ptr @PyFloat_FromDouble(double)
declare i32 @PyObject_RichCompareBool(ptr, ptr, i32)
declare ptr @PyObject_GetAttr(ptr, ptr)
declare ptr @PyObject_GetItem(ptr, ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @PyDict_GetItemWithError(ptr, ptr)
declare i32 @PyDict_Next(ptr, ptr, ptr, ptr)
declare ptr @PyDict_New()
declare ptr @PyDict_Copy(ptr)
declare i32 @PyDict_SetItem(ptr, ptr, ptr)
declare ptr @PyTuple_New(i64)
declare ptr @PyList_New(i64)
declare ptr @PyErr_Occurred()
declare void @PyErr_Clear()
declare i32 @PyErr_ExceptionMatches(ptr)
declare ptr @PyErr_NoMemory()
declare ptr @PyMem_RawMalloc(i64)
declare void @PyMem_RawFree(ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
"""

# Small readers, and the two ways out of a comparison that raised.
READERS = """
define internal i64 @word(ptr %p, i64 %i) alwaysinline {
  %a = getelementptr i64, ptr %p, i64 %i
  %v = load i64, ptr %a
  ret i64 %v
}

define internal ptr @object(ptr %p, i64 %i) alwaysinline {
  %a = getelementptr ptr, ptr %p, i64 %i
  %v = load ptr, ptr %a
  ret ptr %v
}

define internal ptr @at(ptr %frame, ptr %pc, i64 %i) alwaysinline {
  %offset = call i64 @word(ptr %pc, i64 %i)
  %a = getelementptr i8, ptr %frame, i64 %offset
  ret ptr %a
}

define internal ptr @value(ptr %frame, ptr %pc, i64 %i) alwaysinline {
  %a = call ptr @at(ptr %frame, ptr %pc, i64 %i)
  %v = load ptr, ptr %a
  ret ptr %v
}

define internal i1 @is_exactly(ptr %o, ptr %type) alwaysinline {
  %t = call ptr @object(ptr %o, i64 1)
  %same = icmp eq ptr %t, %type
  ret i1 %same
}

define internal i1 @pardonable() cold {
  %e = load ptr, ptr @PyExc_Exception
  %m = call i32 @PyErr_ExceptionMatches(ptr %e)
  %yes = icmp ne i32 %m, 0
  br i1 %yes, label %clear, label %done
clear:
  call void @PyErr_Clear()
  br label %done
done:
  ret i1 %yes
}
"""

# Whether an object is an array as %pc describes: 0 no, 1 yes, 2 only its memory isn't.
# Words: op, value, input, descr, number, rank, lengths…
ARRAY_LIKE = """
define internal i32 @array_like(ptr %o, ptr %pc) alwaysinline {
  %exact = call i1 @is_exactly(ptr %o, ptr @PyArray_Type)
  br i1 %exact, label %type, label %no
type:
  %d = call ptr @object(ptr %o, i64 7)
  %want = call ptr @object(ptr %pc, i64 3)
  %same = icmp eq ptr %d, %want
  br i1 %same, label %rank, label %other
other:
  %na = getelementptr i8, ptr %d, i64 28
  %n = load i32, ptr %na
  %nw = sext i32 %n to i64
  %wanted = call i64 @word(ptr %pc, i64 4)
  %alike = icmp eq i64 %nw, %wanted
  br i1 %alike, label %order, label %no
order:
  %ba = getelementptr i8, ptr %d, i64 26
  %b = load i8, ptr %ba
  %native = icmp eq i8 %b, 61
  %none = icmp eq i8 %b, 124
  %fine = or i1 %native, %none
  br i1 %fine, label %rank, label %no
rank:
  %ra = getelementptr i8, ptr %o, i64 24
  %r = load i32, ptr %ra
  %rw = zext i32 %r to i64
  %rank.wanted = call i64 @word(ptr %pc, i64 5)
  %rank.same = icmp eq i64 %rw, %rank.wanted
  br i1 %rank.same, label %shape, label %no
shape:
  %lengths = call ptr @object(ptr %o, i64 4)
  br label %axis
axis:
  %i = phi i64 [ 0, %shape ], [ %next, %length ]
  %last = icmp eq i64 %i, %rw
  br i1 %last, label %yes, label %length
length:
  %l = call i64 @word(ptr %lengths, i64 %i)
  %k = add i64 %i, 6
  %lw = call i64 @word(ptr %pc, i64 %k)
  %next = add i64 %i, 1
  %equal = icmp eq i64 %l, %lw
  br i1 %equal, label %axis, label %no
yes:                         ; C-contiguous is 1, aligned is 256
  %fa = getelementptr i8, ptr %o, i64 64
  %f = load i32, ptr %fa
  %ca = and i32 %f, 257
  %plain = icmp eq i32 %ca, 257
  %answer = select i1 %plain, i32 1, i32 2
  ret i32 %answer
no:
  ret i32 0
}
"""

# Words: op, value, input, cell, code (i8 i16 i32 i64 f32 f64).
# 1: stored; 0: it doesn't fit.
STORE_INT = """
define internal i1 @store_int(ptr %o, ptr %cell, i64 %code, ptr %flag) {
  %real = icmp sge i64 %code, 4
  br i1 %real, label %float, label %int
int:
  %n = call i64 @PyLong_AsLongLongAndOverflow(ptr %o, ptr %flag)
  %over = load i32, ptr %flag
  %fits = icmp eq i32 %over, 0
  br i1 %fits, label %width, label %no
width:
  switch i64 %code, label %i64 [ i64 0, label %i8
                                 i64 1, label %i16
                                 i64 2, label %i32
                                 i64 -1, label %small ]
i8:
  %n8 = trunc i64 %n to i8
  store i8 %n8, ptr %cell
  %w8 = sext i8 %n8 to i64
  br label %check
i16:
  %n16 = trunc i64 %n to i16
  store i16 %n16, ptr %cell
  %w16 = sext i16 %n16 to i64
  br label %check
i32:
  %n32 = trunc i64 %n to i32
  store i32 %n32, ptr %cell
  %w32 = sext i32 %n32 to i64
  br label %check
i64:
  store i64 %n, ptr %cell
  ret i1 1
small:
  store i64 %n, ptr %cell
  %n.low = trunc i64 %n to i32
  %w.low = sext i32 %n.low to i64
  %is.small = icmp eq i64 %w.low, %n
  ret i1 %is.small
check:
  %w = phi i64 [ %w8, %i8 ], [ %w16, %i16 ], [ %w32, %i32 ]
  %exact = icmp eq i64 %w, %n
  ret i1 %exact
float:
  %x = call double @PyLong_AsDouble(ptr %o)
  %doubt = fcmp oeq double %x, -1.0
  br i1 %doubt, label %ask, label %keep
ask:
  %e = call ptr @PyErr_Occurred()
  %raised = icmp ne ptr %e, null
  br i1 %raised, label %clear, label %keep
clear:
  call void @PyErr_Clear()
  ret i1 0
keep:
  %single = icmp eq i64 %code, 4
  br i1 %single, label %f32, label %f64
f32:
  %x32 = fptrunc double %x to float
  store float %x32, ptr %cell
  ret i1 1
f64:
  store double %x, ptr %cell
  ret i1 1
no:
  ret i1 0
}
"""

# 1: equal, 0: not, −1: an exception that is no answer.
EQUAL = """
define internal i32 @equal(ptr %o, ptr %want) {
  %same = icmp eq ptr %o, %want
  br i1 %same, label %yes, label %type
type:
  %t = call ptr @object(ptr %want, i64 1)
  %exact = call i1 @is_exactly(ptr %o, ptr %t)
  br i1 %exact, label %kind, label %no
kind:
  %float = icmp eq ptr %t, @PyFloat_Type
  br i1 %float, label %bits, label %compare
bits:
  %a = call i64 @word(ptr %o, i64 2)
  %b = call i64 @word(ptr %want, i64 2)
  %alike = icmp eq i64 %a, %b
  br i1 %alike, label %yes, label %no
compare:
  %r = call i32 @PyObject_RichCompareBool(ptr %o, ptr %want, i32 2)
  %bad = icmp slt i32 %r, 0
  br i1 %bad, label %raised, label %said
raised:
  %fine = call i1 @pardonable()
  %answer = select i1 %fine, i32 0, i32 -1
  ret i32 %answer
said:
  ret i32 %r
yes:
  ret i32 1
no:
  ret i32 0
}
"""

# Runs the program in a block of scratch memory, 64-byte aligned, of the path's own.
RUN = """
define internal i32 @run(ptr %path, ptr %frame) {
  %outputs.at = call i64 @word(ptr %path, i64 {OUTPUTS})
  %outputs = getelementptr i8, ptr %frame, i64 %outputs.at
  %program = call ptr @object(ptr %path, i64 {PROGRAM})
  %bytes = call i64 @word(ptr %path, i64 {ARENA_BYTES})
  %slot = getelementptr i64, ptr %path, i64 {ARENA}
  %needs = icmp ne i64 %bytes, 0
  br i1 %needs, label %take, label %ready
take:
  %kept = load ptr, ptr %slot
  store ptr null, ptr %slot
  %there = icmp ne ptr %kept, null
  br i1 %there, label %ready, label %new
new:
  %more = add i64 %bytes, 64
  %fresh = call ptr @PyMem_RawMalloc(i64 %more)
  %got = icmp ne ptr %fresh, null
  br i1 %got, label %ready, label %none
none:
  %e = call ptr @PyErr_NoMemory()
  ret i32 -2147483648
ready:
  %block = phi ptr [ null, %0 ], [ %kept, %take ], [ %fresh, %new ]
  %past = getelementptr i8, ptr %block, i64 63
  %arena = call ptr @llvm.ptrmask.p0.i64(ptr %past, i64 -64)
  %unlock = call i64 @word(ptr %path, i64 {UNLOCK})
  %free = icmp ne i64 %unlock, 0
  br i1 %free, label %unlocked, label %locked
unlocked:
  %thread = call ptr @PyEval_SaveThread()
  %status.u = call i32 %program(ptr %frame, ptr %outputs, ptr %arena)
  call void @PyEval_RestoreThread(ptr %thread)
  br label %back
locked:
  %status.l = call i32 %program(ptr %frame, ptr %outputs, ptr %arena)
  br label %back
back:
  %status = phi i32 [ %status.u, %unlocked ], [ %status.l, %locked ]
  br i1 %needs, label %give, label %done
give:
  %other = load ptr, ptr %slot
  store ptr %block, ptr %slot
  %spare = icmp ne ptr %other, null
  br i1 %spare, label %drop, label %done
drop:
  call void @PyMem_RawFree(ptr %other)
  br label %done
done:
  ret i32 %status
}

declare ptr @llvm.ptrmask.p0.i64(ptr, i64)
"""

# Gives back what a call has: an array of objects, some of them null.
DROP = """
define internal void @drop_all(ptr %from, i64 %n) {
  br label %loop
loop:
  %i = phi i64 [ 0, %0 ], [ %next, %more ]
  %end = icmp eq i64 %i, %n
  br i1 %end, label %done, label %one
one:
  %o = call ptr @object(ptr %from, i64 %i)
  %null = icmp eq ptr %o, null
  br i1 %null, label %more, label %give
give:
  call void @decref(ptr %o)
  br label %more
more:
  %next = add i64 %i, 1
  br label %loop
done:
  ret void
}

define internal ptr @build(ptr %items, i64 %n, ptr %pc, i64 %op) {
  %tuple = icmp eq i64 %op, {MAKE_TUPLE}
  %list = icmp eq i64 %op, {MAKE_LIST}
  br i1 %tuple, label %t, label %not.t
not.t:
  br i1 %list, label %l, label %not.l
not.l:
  %dict = icmp eq i64 %op, {MAKE_DICT}
  br i1 %dict, label %d, label %c
t:
  %to = call ptr @PyTuple_New(i64 %n)
  %t.fine = icmp ne ptr %to, null
  br i1 %t.fine, label %t.fill, label %out
t.fill:
  %t.items = getelementptr i8, ptr %to, i64 24
  br label %move
l:
  %lo = call ptr @PyList_New(i64 %n)
  %l.fine = icmp ne ptr %lo, null
  br i1 %l.fine, label %l.fill, label %out
l.fill:
  %l.items = call ptr @object(ptr %lo, i64 3)
  br label %move
move:
  %made = phi ptr [ %to, %t.fill ], [ %lo, %l.fill ]
  %into = phi ptr [ %t.items, %t.fill ], [ %l.items, %l.fill ]
  %size = shl i64 %n, 3
  call void @llvm.memcpy.p0.p0.i64(ptr %into, ptr %items, i64 %size, i1 0)
  call void @llvm.memset.p0.i64(ptr %items, i8 0, i64 %size, i1 0)
  ret ptr %made
d:                           ; a copy of a dict with these keys never has to grow
  %model = call ptr @object(ptr %pc, i64 2)
  %large = icmp ne ptr %model, null
  br i1 %large, label %d.copy, label %d.new
d.copy:
  %d.copied = call ptr @PyDict_Copy(ptr %model)
  br label %d.made
d.new:
  %d.empty = call ptr @PyDict_New()
  br label %d.made
d.made:
  %do = phi ptr [ %d.copied, %d.copy ], [ %d.empty, %d.new ]
  %d.fine = icmp ne ptr %do, null
  br i1 %d.fine, label %d.loop, label %out
d.loop:
  %i = phi i64 [ 0, %d.made ], [ %next, %d.more ]
  %end = icmp eq i64 %i, %n
  br i1 %end, label %d.done, label %d.set
d.set:
  %ki = add i64 %i, 3
  %key = call ptr @object(ptr %pc, i64 %ki)
  %item = call ptr @object(ptr %items, i64 %i)
  %set = call i32 @PyDict_SetItem(ptr %do, ptr %key, ptr %item)
  %set.fine = icmp eq i32 %set, 0
  br i1 %set.fine, label %d.more, label %d.bad
d.more:
  %next = add i64 %i, 1
  br label %d.loop
d.done:
  ret ptr %do
d.bad:
  call void @decref(ptr %do)
  ret ptr null
c:
  %f = call ptr @object(ptr %pc, i64 2)
  %r = call ptr @PyObject_Vectorcall(ptr %f, ptr %items, i64 %n, ptr null)
  ret ptr %r
out:
  ret ptr null
}
"""
