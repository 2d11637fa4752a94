"""The walker's instructions for the run and the result, in LLVM IR.

The first line of a block says which words the instruction has. Results are put together
on a stack: parts first, then what holds them. Names in braces are put in by
`walker.text`; where the blocks lead, `walker_loop` says.
"""

# What makes room, runs, and puts the result together.
RESULTS = """
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
MAKE_DICT:                   ; op, count, model (or 0), keys…
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
  %m.keys = add i64 %m.n, 1
  %m.more = select i1 %m.dict, i64 %m.keys, i64 %m.one
  %m.words = add i64 %m.more, 2
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
"""
