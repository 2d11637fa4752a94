"""The walker's instructions for containers and captured state, in LLVM IR.

The first line of a block says which words the instruction has. What stands inside a
container is held for the time of the call. Names in braces are put in by `walker.text`;
where the blocks lead, `walker_loop` says.
"""

# Containers among the arguments.
CONTAINERS = """
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
"""

# Places outside the arguments, and attributes.
CAPTURED = """
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
