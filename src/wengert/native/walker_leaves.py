"""The walker's instructions for single arguments, in LLVM IR: arrays, numbers, values.

The first line of a block says which words the instruction has. Names in braces are put
in by `walker.text`; where the blocks lead, `walker_loop` says.
"""

# Keywords, arrays, numbers; then what must be a certain value.
LEAVES = """
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
"""
