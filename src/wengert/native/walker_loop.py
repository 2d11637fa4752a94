"""The walker's loop, in LLVM IR: one block for each instruction (`walker.Do`).

The first line of a block says which words the instruction has. Ways out: `step2` …
`step5` go on behind that many words, `mismatch` leaves for the next path, `fail` for an
exception that is set. Names in braces are put in by `walker.text`.
"""

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

# What looks at arguments and at captured state.
_INPUTS = """
KEYWORDS:                    ; op, count, names…
  %kw.n = call i64 @word(ptr %pc, i64 1)
  br label %kw.loop
kw.loop:
  %kw.i = phi i64 [ 0, %KEYWORDS ], [ %kw.next, %kw.one ]
  %kw.end = icmp eq i64 %kw.i, %kw.n
  br i1 %kw.end, label %kw.done, label %kw.one
kw.one:
  %kw.c = add i64 %kw.i, 3
  %kw.have = call ptr @object(ptr %names, i64 %kw.c)
  %kw.w = add i64 %kw.i, 2
  %kw.want = call ptr @object(ptr %pc, i64 %kw.w)
  %kw.next = add i64 %kw.i, 1
  %kw.same = icmp eq ptr %kw.have, %kw.want
  br i1 %kw.same, label %kw.loop, label %mismatch
kw.done:
  %kw.words = add i64 %kw.n, 2
  %kw.after = getelementptr i64, ptr %pc, i64 %kw.words
  store ptr %kw.after, ptr %pcs
  br label %loop

ARRAY:                       ; op, value, input, descr, number, rank, lengths…
  %a.o = call ptr @value(ptr %frame, ptr %pc, i64 1)
  %a.like = call i32 @array_like(ptr %a.o, ptr %pc)
  switch i32 %a.like, label %a.store [ i32 0, label %mismatch
                                       i32 2, label %a.copy ]
a.copy:                      ; strided or unaligned: a copy for the time of the call
  %a.c = call ptr @PyArray_NewCopy(ptr %a.o, i32 0)
  %a.made = icmp ne ptr %a.c, null
  br i1 %a.made, label %a.keep, label %fail
a.keep:
  call void @keep(ptr %a.c, ptr %held, ptr %heldn)
  br label %a.store
a.store:
  %a.from = phi ptr [ %a.o, %ARRAY ], [ %a.c, %a.keep ]
  %a.data = call ptr @object(ptr %a.from, i64 2)
  %a.in = call ptr @at(ptr %frame, ptr %pc, i64 2)
  store ptr %a.data, ptr %a.in
  %a.rank = call i64 @word(ptr %pc, i64 5)
  %a.words = add i64 %a.rank, 6
  %a.after = getelementptr i64, ptr %pc, i64 %a.words
  store ptr %a.after, ptr %pcs
  br label %loop

IN_ORDER:                    ; op, value
  %io.o = call ptr @value(ptr %frame, ptr %pc, i64 1)
  %io.at = getelementptr i8, ptr %io.o, i64 64
  %io.flags = load i32, ptr %io.at
  %io.c = and i32 %io.flags, 1
  %io.fine = icmp ne i32 %io.c, 0
  br i1 %io.fine, label %step2, label %mismatch

SCALAR:                      ; op, value, input, type
  %s.o = call ptr @value(ptr %frame, ptr %pc, i64 1)
  %s.type = call ptr @object(ptr %pc, i64 3)
  %s.ok = call i1 @is_exactly(ptr %s.o, ptr %s.type)
  br i1 %s.ok, label %s.store, label %mismatch
s.store:
  %s.data = getelementptr i8, ptr %s.o, i64 16
  %s.in = call ptr @at(ptr %frame, ptr %pc, i64 2)
  store ptr %s.data, ptr %s.in
  br label %step4

FLOAT:                       ; op, value, input, cell, single
  %f.o = call ptr @value(ptr %frame, ptr %pc, i64 1)
  %f.ok = call i1 @is_exactly(ptr %f.o, ptr @PyFloat_Type)
  br i1 %f.ok, label %f.store, label %mismatch
f.store:
  %f.from = getelementptr i8, ptr %f.o, i64 16
  %f.x = load double, ptr %f.from
  %f.cell = call ptr @at(ptr %frame, ptr %pc, i64 3)
  %f.in = call ptr @at(ptr %frame, ptr %pc, i64 2)
  store ptr %f.cell, ptr %f.in
  %f.single = call i64 @word(ptr %pc, i64 4)
  %f.short = icmp ne i64 %f.single, 0
  br i1 %f.short, label %f.32, label %f.64
f.32:
  %f.y = fptrunc double %f.x to float
  store float %f.y, ptr %f.cell
  br label %step5
f.64:
  store double %f.x, ptr %f.cell
  br label %step5

INT:                         ; op, value, input, cell, code
  %i.o = call ptr @value(ptr %frame, ptr %pc, i64 1)
  %i.type = call i1 @is_exactly(ptr %i.o, ptr @PyLong_Type)
  br i1 %i.type, label %i.store, label %mismatch
i.store:
  %i.cell = call ptr @at(ptr %frame, ptr %pc, i64 3)
  %i.in = call ptr @at(ptr %frame, ptr %pc, i64 2)
  store ptr %i.cell, ptr %i.in
  %i.code = call i64 @word(ptr %pc, i64 4)
  %i.ok = call i1 @store_int(ptr %i.o, ptr %i.cell, i64 %i.code, ptr %flag)
  br i1 %i.ok, label %step5, label %mismatch

BOOL:                        ; op, value, input, cell
  %b.o = call ptr @value(ptr %frame, ptr %pc, i64 1)
  %b.true = icmp eq ptr %b.o, @_Py_TrueStruct
  %b.false = icmp eq ptr %b.o, @_Py_FalseStruct
  %b.ok = or i1 %b.true, %b.false
  br i1 %b.ok, label %b.store, label %mismatch
b.store:
  %b.cell = call ptr @at(ptr %frame, ptr %pc, i64 3)
  %b.in = call ptr @at(ptr %frame, ptr %pc, i64 2)
  store ptr %b.cell, ptr %b.in
  %b.byte = zext i1 %b.true to i8
  store i8 %b.byte, ptr %b.cell
  br label %step4

COMPLEX:                     ; op, value, input, cell, single
  %c.o = call ptr @value(ptr %frame, ptr %pc, i64 1)
  %c.ok = call i1 @is_exactly(ptr %c.o, ptr @PyComplex_Type)
  br i1 %c.ok, label %c.store, label %mismatch
c.store:
  %c.from = getelementptr i8, ptr %c.o, i64 16
  %c.z = load <2 x double>, ptr %c.from, align 8
  %c.cell = call ptr @at(ptr %frame, ptr %pc, i64 3)
  %c.in = call ptr @at(ptr %frame, ptr %pc, i64 2)
  store ptr %c.cell, ptr %c.in
  %c.single = call i64 @word(ptr %pc, i64 4)
  %c.short = icmp ne i64 %c.single, 0
  br i1 %c.short, label %c.32, label %c.64
c.32:
  %c.y = fptrunc <2 x double> %c.z to <2 x float>
  store <2 x float> %c.y, ptr %c.cell, align 4
  br label %step5
c.64:
  store <2 x double> %c.z, ptr %c.cell, align 8
  br label %step5

IS:                          ; op, value, object
  %is.o = call ptr @value(ptr %frame, ptr %pc, i64 1)
  %is.want = call ptr @object(ptr %pc, i64 2)
  %is.same = icmp eq ptr %is.o, %is.want
  br i1 %is.same, label %step3, label %mismatch

EQUAL:                       ; op, value, object
  %e.o = call ptr @value(ptr %frame, ptr %pc, i64 1)
  %e.want = call ptr @object(ptr %pc, i64 2)
  %e.r = call i32 @equal(ptr %e.o, ptr %e.want)
  switch i32 %e.r, label %fail [ i32 1, label %step3
                                 i32 0, label %mismatch ]

TYPE:                        ; op, value, type
  %ty.o = call ptr @value(ptr %frame, ptr %pc, i64 1)
  %ty.want = call ptr @object(ptr %pc, i64 2)
  %ty.ok = call i1 @is_exactly(ptr %ty.o, ptr %ty.want)
  br i1 %ty.ok, label %step3, label %mismatch

TUPLE:                       ; op, value, type, count, into
  br label %seq
LIST:                        ; op, value, type, count, into
  br label %seq
seq:
  %q.tuple = phi i1 [ 1, %TUPLE ], [ 0, %LIST ]
  %q.o = call ptr @value(ptr %frame, ptr %pc, i64 1)
  %q.type = call ptr @object(ptr %pc, i64 2)
  %q.ok = call i1 @is_exactly(ptr %q.o, ptr %q.type)
  br i1 %q.ok, label %q.size, label %mismatch
q.size:
  %q.have = call i64 @word(ptr %q.o, i64 2)
  %q.n = call i64 @word(ptr %pc, i64 3)
  %q.fits = icmp eq i64 %q.have, %q.n
  br i1 %q.fits, label %q.where, label %mismatch
q.where:
  %q.inside = getelementptr i8, ptr %q.o, i64 24
  br i1 %q.tuple, label %q.go, label %q.list
q.list:
  %q.outside = load ptr, ptr %q.inside
  br label %q.go
q.go:
  %q.items = phi ptr [ %q.inside, %q.where ], [ %q.outside, %q.list ]
  %q.into = call ptr @at(ptr %frame, ptr %pc, i64 4)
  br label %q.loop
q.loop:
  %q.i = phi i64 [ 0, %q.go ], [ %q.next, %q.one ]
  %q.end = icmp eq i64 %q.i, %q.n
  br i1 %q.end, label %step5, label %q.one
q.one:
  %q.item = call ptr @object(ptr %q.items, i64 %q.i)
  call void @hold(ptr %q.item, ptr %held, ptr %heldn)
  %q.to = getelementptr ptr, ptr %q.into, i64 %q.i
  store ptr %q.item, ptr %q.to
  %q.next = add i64 %q.i, 1
  br label %q.loop

ORDERED:                     ; as DICT, and the keys stand in this order
  br label %DICT
DICT:                        ; op, value, type, count, into, keys…
  %d.o = call ptr @value(ptr %frame, ptr %pc, i64 1)
  %d.type = call ptr @object(ptr %pc, i64 2)
  %d.ok = call i1 @is_exactly(ptr %d.o, ptr %d.type)
  br i1 %d.ok, label %d.size, label %mismatch
d.size:
  %d.have = call i64 @word(ptr %d.o, i64 2)
  %d.n = call i64 @word(ptr %pc, i64 3)
  %d.fits = icmp eq i64 %d.have, %d.n
  br i1 %d.fits, label %d.go, label %mismatch
d.go:
  %d.into = call ptr @at(ptr %frame, ptr %pc, i64 4)
  store i64 0, ptr %pos
  br label %d.loop
d.loop:                      ; in the expected order no key needs to be looked up
  %d.i = phi i64 [ 0, %d.go ], [ %d.next, %d.store ]
  %d.end = icmp eq i64 %d.i, %d.n
  br i1 %d.end, label %d.done, label %d.one
d.one:
  %d.k = add i64 %d.i, 5
  %d.key = call ptr @object(ptr %pc, i64 %d.k)
  %d.there = call i32 @PyDict_Next(ptr %d.o, ptr %pos, ptr %key, ptr %val)
  %d.some = icmp ne i32 %d.there, 0
  br i1 %d.some, label %d.compare, label %d.look
d.compare:
  %d.met = load ptr, ptr %key
  %d.expected = icmp eq ptr %d.met, %d.key
  br i1 %d.expected, label %d.next.value, label %d.other
d.other:
  %d.ordered = icmp eq i64 %op, {ORDERED}
  br i1 %d.ordered, label %d.equal, label %d.look
d.equal:
  %d.same = call i32 @equal(ptr %d.met, ptr %d.key)
  switch i32 %d.same, label %fail [ i32 1, label %d.next.value
                                    i32 0, label %mismatch ]
d.next.value:
  %d.v1 = load ptr, ptr %val
  br label %d.store
d.look:
  %d.v2 = call ptr @PyDict_GetItemWithError(ptr %d.o, ptr %d.key)
  %d.found = icmp ne ptr %d.v2, null
  br i1 %d.found, label %d.store, label %absent
d.store:
  %d.v = phi ptr [ %d.v1, %d.next.value ], [ %d.v2, %d.look ]
  call void @hold(ptr %d.v, ptr %held, ptr %heldn)
  %d.to = getelementptr ptr, ptr %d.into, i64 %d.i
  store ptr %d.v, ptr %d.to
  %d.next = add i64 %d.i, 1
  br label %d.loop
d.done:
  %d.words = add i64 %d.n, 5
  %d.after = getelementptr i64, ptr %pc, i64 %d.words
  store ptr %d.after, ptr %pcs
  br label %loop

FIELD:                       ; op, value, name, into
  %fi.o = call ptr @value(ptr %frame, ptr %pc, i64 1)
  %fi.name = call ptr @object(ptr %pc, i64 2)
  %fi.v = call ptr @PyObject_GetAttr(ptr %fi.o, ptr %fi.name)
  br label %new.value
ITEM:                        ; op, value, key, into
  %it.o = call ptr @value(ptr %frame, ptr %pc, i64 1)
  %it.key = call ptr @object(ptr %pc, i64 2)
  %it.v = call ptr @PyObject_GetItem(ptr %it.o, ptr %it.key)
  br label %new.value
new.value:
  %nv = phi ptr [ %fi.v, %FIELD ], [ %it.v, %ITEM ]
  %nv.ok = icmp ne ptr %nv, null
  br i1 %nv.ok, label %nv.store, label %absent
nv.store:
  call void @keep(ptr %nv, ptr %held, ptr %heldn)
  %nv.to = call ptr @at(ptr %frame, ptr %pc, i64 3)
  store ptr %nv, ptr %nv.to
  br label %step4

GLOBAL:                      ; op, dict, key, into
  %g.dict = call ptr @object(ptr %pc, i64 1)
  %g.key = call ptr @object(ptr %pc, i64 2)
  %g.v = call ptr @PyDict_GetItemWithError(ptr %g.dict, ptr %g.key)
  %g.ok = icmp ne ptr %g.v, null
  br i1 %g.ok, label %g.store, label %absent
g.store:
  call void @hold(ptr %g.v, ptr %held, ptr %heldn)
  %g.to = call ptr @at(ptr %frame, ptr %pc, i64 3)
  store ptr %g.v, ptr %g.to
  br label %step4

CELL:                        ; op, cell, into
  %ce.cell = call ptr @object(ptr %pc, i64 1)
  %ce.v = call ptr @object(ptr %ce.cell, i64 2)
  %ce.ok = icmp ne ptr %ce.v, null
  br i1 %ce.ok, label %ce.store, label %mismatch
ce.store:
  call void @hold(ptr %ce.v, ptr %held, ptr %heldn)
  %ce.to = call ptr @at(ptr %frame, ptr %pc, i64 2)
  store ptr %ce.v, ptr %ce.to
  br label %step3

ABSENT:                      ; op, dict, key
  %ab.dict = call ptr @object(ptr %pc, i64 1)
  %ab.key = call ptr @object(ptr %pc, i64 2)
  %ab.v = call ptr @PyDict_GetItemWithError(ptr %ab.dict, ptr %ab.key)
  %ab.there = icmp ne ptr %ab.v, null
  br i1 %ab.there, label %mismatch, label %ab.asked
ab.asked:
  %ab.error = call ptr @PyErr_Occurred()
  %ab.fine = icmp eq ptr %ab.error, null
  br i1 %ab.fine, label %step3, label %absent

SAME_GLOBAL:                 ; op, dict, key, object
  %sg.dict = call ptr @object(ptr %pc, i64 1)
  %sg.key = call ptr @object(ptr %pc, i64 2)
  %sg.v = call ptr @PyDict_GetItemWithError(ptr %sg.dict, ptr %sg.key)
  %sg.want = call ptr @object(ptr %pc, i64 3)
  %sg.same = icmp eq ptr %sg.v, %sg.want
  br i1 %sg.same, label %step4, label %absent

SAME_CELL:                   ; op, cell, object (or 0: empty)
  %sc.cell = call ptr @object(ptr %pc, i64 1)
  %sc.v = call ptr @object(ptr %sc.cell, i64 2)
  %sc.want = call ptr @object(ptr %pc, i64 2)
  %sc.same = icmp eq ptr %sc.v, %sc.want
  br i1 %sc.same, label %step3, label %mismatch

OBJECT:                      ; op, object, into
  %ob.o = call ptr @object(ptr %pc, i64 1)
  %ob.to = call ptr @at(ptr %frame, ptr %pc, i64 2)
  store ptr %ob.o, ptr %ob.to
  br label %step3

FIXED:                       ; op, address, input
  %fx.p = call ptr @object(ptr %pc, i64 1)
  %fx.in = call ptr @at(ptr %frame, ptr %pc, i64 2)
  store ptr %fx.p, ptr %fx.in
  br label %step3

"""

# What makes room, runs, puts the result together, and leaves.
_OUTPUTS = """
NEW:                         ; op, object, output, descr, rank, lengths…
  %n.descr = call ptr @object(ptr %pc, i64 3)
  call void @incref(ptr %n.descr)
  %n.rank = call i64 @word(ptr %pc, i64 4)
  %n.nd = trunc i64 %n.rank to i32
  %n.lengths = getelementptr i64, ptr %pc, i64 5
  %n.o = call ptr @PyArray_NewFromDescr(ptr @PyArray_Type, ptr %n.descr, i32 %n.nd,
    ptr %n.lengths, ptr null, ptr null, i32 0, ptr null)
  %n.ok = icmp ne ptr %n.o, null
  br i1 %n.ok, label %n.store, label %fail
n.store:
  %n.to = call ptr @at(ptr %frame, ptr %pc, i64 1)
  store ptr %n.o, ptr %n.to
  %n.data = call ptr @object(ptr %n.o, i64 2)
  %n.out = call ptr @at(ptr %frame, ptr %pc, i64 2)
  store ptr %n.data, ptr %n.out
  %n.words = add i64 %n.rank, 5
  %n.after = getelementptr i64, ptr %pc, i64 %n.words
  store ptr %n.after, ptr %pcs
  br label %loop

PLACE:                       ; op, output, cell
  %pl.cell = call ptr @at(ptr %frame, ptr %pc, i64 2)
  %pl.out = call ptr @at(ptr %frame, ptr %pc, i64 1)
  store ptr %pl.cell, ptr %pl.out
  br label %step3

RUN:                         ; op, 0
  %status = call i32 @run(ptr %path, ptr %frame)
  %well = icmp eq i32 %status, 0
  br i1 %well, label %ran, label %not.well
ran:
  %calls.at = getelementptr i64, ptr %path, i64 {CALLS}
  %calls = load i64, ptr %calls.at
  %calls.1 = add i64 %calls, 1
  store i64 %calls.1, ptr %calls.at
  br label %step2
not.well:
  %guard = icmp sgt i32 %status, 0
  br i1 %guard, label %left, label %broke
left:
  %left.at = getelementptr i64, ptr %path, i64 {LEFT}
  %left.n = load i64, ptr %left.at
  %left.1 = add i64 %left.n, 1
  store i64 %left.1, ptr %left.at
  br label %mismatch
broke:
  %memory = icmp eq i32 %status, -2147483648
  br i1 %memory, label %fail, label %failed

COPY:                        ; op, output, input, bytes
  %co.to = call ptr @value(ptr %frame, ptr %pc, i64 1)
  %co.from = call ptr @value(ptr %frame, ptr %pc, i64 2)
  %co.n = call i64 @word(ptr %pc, i64 3)
  call void @llvm.memcpy.p0.p0.i64(ptr %co.to, ptr %co.from, i64 %co.n, i1 0)
  br label %step4

PUSH:                        ; op, object
  %pu.at = call ptr @at(ptr %frame, ptr %pc, i64 1)
  %pu.o = load ptr, ptr %pu.at
  store ptr null, ptr %pu.at
  br label %push2
PUSH_COPY:                   ; op, object
  %pc.o = call ptr @value(ptr %frame, ptr %pc, i64 1)
  %pc.c = call ptr @PyArray_NewCopy(ptr %pc.o, i32 0)
  br label %push2
PUSH_FLOAT:                  ; op, cell
  %pf.at = call ptr @at(ptr %frame, ptr %pc, i64 1)
  %pf.x = load double, ptr %pf.at
  %pf.o = call ptr @PyFloat_FromDouble(double %pf.x)
  br label %push2
PUSH_INT:                    ; op, cell
  %pi.at = call ptr @at(ptr %frame, ptr %pc, i64 1)
  %pi.n = load i64, ptr %pi.at
  %pi.o = call ptr @PyLong_FromLongLong(i64 %pi.n)
  br label %push2
PUSH_BOOL:                   ; op, cell
  %pb.at = call ptr @at(ptr %frame, ptr %pc, i64 1)
  %pb.b = load i8, ptr %pb.at
  %pb.yes = icmp ne i8 %pb.b, 0
  %pb.o = select i1 %pb.yes, ptr @_Py_TrueStruct, ptr @_Py_FalseStruct
  call void @incref(ptr %pb.o)
  br label %push2
PUSH_STATIC:                 ; op, object
  %ps.o = call ptr @object(ptr %pc, i64 1)
  call void @incref(ptr %ps.o)
  br label %push2
PUSH_SCALAR:                 ; op, cell, descr
  %px.at = call ptr @at(ptr %frame, ptr %pc, i64 1)
  %px.descr = call ptr @object(ptr %pc, i64 2)
  %px.o = call ptr @PyArray_Scalar(ptr %px.at, ptr %px.descr, ptr null)
  br label %push3
MAKE_TUPLE:                  ; op, count
  br label %make
MAKE_LIST:                   ; op, count
  br label %make
MAKE_DICT:                   ; op, count, keys…
  br label %make
MAKE:                        ; op, count, function
  br label %make
make:
  %m.n = call i64 @word(ptr %pc, i64 1)
  %m.top = load i64, ptr %builtn
  %m.from = sub i64 %m.top, %m.n
  %m.items = getelementptr ptr, ptr %built, i64 %m.from
  %m.o = call ptr @build(ptr %m.items, i64 %m.n, ptr %pc, i64 %op)
  %m.ok = icmp ne ptr %m.o, null
  br i1 %m.ok, label %m.drop, label %fail
m.drop:
  call void @drop_all(ptr %m.items, i64 %m.n)
  store i64 %m.from, ptr %builtn
  %m.dict = icmp eq i64 %op, {MAKE_DICT}
  %m.call = icmp eq i64 %op, {MAKE}
  %m.one = select i1 %m.call, i64 1, i64 0
  %m.keys = select i1 %m.dict, i64 %m.n, i64 %m.one
  %m.words = add i64 %m.keys, 2
  br label %push
push2:
  %p2 = phi ptr [ %pu.o, %PUSH ], [ %pc.c, %PUSH_COPY ], [ %pf.o, %PUSH_FLOAT ],
    [ %pi.o, %PUSH_INT ], [ %pb.o, %PUSH_BOOL ], [ %ps.o, %PUSH_STATIC ]
  br label %push.checked
push3:
  br label %push.checked
push.checked:
  %pq = phi ptr [ %p2, %push2 ], [ %px.o, %push3 ]
  %pq.words = phi i64 [ 2, %push2 ], [ 3, %push3 ]
  %pq.ok = icmp ne ptr %pq, null
  br i1 %pq.ok, label %push, label %fail
push:
  %p.o = phi ptr [ %m.o, %m.drop ], [ %pq, %push.checked ]
  %p.words = phi i64 [ %m.words, %m.drop ], [ %pq.words, %push.checked ]
  %p.n = load i64, ptr %builtn
  %p.at = getelementptr ptr, ptr %built, i64 %p.n
  store ptr %p.o, ptr %p.at
  %p.n1 = add i64 %p.n, 1
  store i64 %p.n1, ptr %builtn
  %p.after = getelementptr i64, ptr %pc, i64 %p.words
  store ptr %p.after, ptr %pcs
  br label %loop

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


WALK = _BEGIN + _INPUTS + _OUTPUTS
