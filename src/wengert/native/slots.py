"""The slots of the type of native functions, in LLVM IR: call, binding, collection.

The object: count, type, vectorcall (16), dict (24), weak references (32), slow (40),
chain of paths (48), owner of the chain (56).
"""

SLOTS = """
@PyExc_RuntimeError = external global ptr
declare void @PyObject_GC_UnTrack(ptr)
declare void @PyObject_GC_Del(ptr)
declare void @PyObject_ClearWeakRefs(ptr)
declare ptr @PyMethod_New(ptr, ptr)
declare void @PyErr_SetString(ptr, ptr)
@_Py_NoneStruct = external global i8
@gone = internal constant [46 x i8] c"this compiled function was already taken down\\00"

; A call: each path in turn, then the slow way. `owner` keeps the paths and their code
; while they run, whatever happens to the function meanwhile.
define ptr @wg_call(ptr %self, ptr %args, i64 %nargsf, ptr %names) {
entry:
  %n = and i64 %nargsf, 9223372036854775807
  %owner = call ptr @object(ptr %self, i64 7)
  %some = icmp ne ptr %owner, null
  br i1 %some, label %paths, label %slow
paths:
  call void @incref(ptr %owner)
  %chain = call ptr @object(ptr %self, i64 6)
  br label %next
next:
  %i = phi i64 [ 0, %paths ], [ %i.next, %differs ]
  %path = call ptr @object(ptr %chain, i64 %i)
  %i.next = add i64 %i, 1
  %end = icmp eq ptr %path, null
  br i1 %end, label %slow, label %try
try:
  %r = call ptr @walk(ptr %args, i64 %n, ptr %names, ptr %path)
  %differs.now = icmp eq ptr %r, inttoptr (i64 {NEXT} to ptr)
  br i1 %differs.now, label %differs, label %answered
differs:
  br label %next
answered:
  %broke = icmp eq ptr %r, inttoptr (i64 {FAILED} to ptr)
  br i1 %broke, label %failed, label %back
failed:
  %f = call ptr @object(ptr %path, i64 {ON_FAILURE})
  %own = icmp ne ptr %f, null
  br i1 %own, label %other, label %slow
slow:
  %s = call ptr @object(ptr %self, i64 5)
  %there = icmp ne ptr %s, null
  br i1 %there, label %other, label %none
none:
  %error = load ptr, ptr @PyExc_RuntimeError
  call void @PyErr_SetString(ptr %error, ptr @gone)
  br label %back
other:
  %g = phi ptr [ %f, %failed ], [ %s, %slow ]
  call void @incref(ptr %g)
  %o = call ptr @PyObject_Vectorcall(ptr %g, ptr %args, i64 %nargsf, ptr %names)
  call void @decref(ptr %g)
  br label %back
back:
  %result = phi ptr [ %r, %answered ], [ %o, %other ], [ null, %none ]
  br i1 %some, label %release, label %done
release:
  call void @decref(ptr %owner)
  br label %done
done:
  ret ptr %result
}

define void @wg_start(ptr %self, ptr %slow) {
  %v = getelementptr i8, ptr %self, i64 16
  store ptr @wg_call, ptr %v
  %s = getelementptr i8, ptr %self, i64 40
  call void @incref(ptr %slow)
  store ptr %slow, ptr %s
  ret void
}

; Both fields change in one call from Python: no thread sees one without the other.
define void @wg_set(ptr %self, ptr %chain, ptr %owner) {
  %c = getelementptr i8, ptr %self, i64 48
  %o = getelementptr i8, ptr %self, i64 56
  %old = load ptr, ptr %o
  call void @incref(ptr %owner)
  store ptr %chain, ptr %c
  store ptr %owner, ptr %o
  %some = icmp ne ptr %old, null
  br i1 %some, label %drop, label %done
drop:
  call void @decref(ptr %old)
  br label %done
done:
  ret void
}

define ptr @wg_owner(ptr %self) {
  %o = call ptr @object(ptr %self, i64 7)
  %some = icmp ne ptr %o, null
  %r = select i1 %some, ptr %o, ptr @_Py_NoneStruct
  call void @incref(ptr %r)
  ret ptr %r
}

define ptr @wg_bind(ptr %self, ptr %instance, ptr %class) {
  %null = icmp eq ptr %instance, null
  %none = icmp eq ptr %instance, @_Py_NoneStruct
  %free = or i1 %null, %none
  br i1 %free, label %same, label %method
same:
  call void @incref(ptr %self)
  ret ptr %self
method:
  %m = call ptr @PyMethod_New(ptr %self, ptr %instance)
  ret ptr %m
}

define internal i32 @visit(ptr %o, ptr %visit, ptr %arg) alwaysinline {
  %some = icmp ne ptr %o, null
  br i1 %some, label %go, label %no
go:
  %r = call i32 %visit(ptr %o, ptr %arg)
  ret i32 %r
no:
  ret i32 0
}

define i32 @wg_traverse(ptr %self, ptr %visit, ptr %arg) {
  br label %loop
loop:
  %i = phi i64 [ 1, %0 ], [ 3, %type ], [ 5, %dict ], [ 7, %slow ]
  %o = call ptr @object(ptr %self, i64 %i)
  %r = call i32 @visit(ptr %o, ptr %visit, ptr %arg)
  %stop = icmp ne i32 %r, 0
  br i1 %stop, label %done, label %on
on:
  switch i64 %i, label %done [ i64 1, label %type
                               i64 3, label %dict
                               i64 5, label %slow ]
type:
  br label %loop
dict:
  br label %loop
slow:
  br label %loop
done:
  ret i32 %r
}

define internal void @clear(ptr %at) alwaysinline {
  %o = load ptr, ptr %at
  store ptr null, ptr %at
  %some = icmp ne ptr %o, null
  br i1 %some, label %drop, label %done
drop:
  call void @decref(ptr %o)
  br label %done
done:
  ret void
}

define i32 @wg_clear(ptr %self) {
  %dict = getelementptr i8, ptr %self, i64 24
  %slow = getelementptr i8, ptr %self, i64 40
  %chain = getelementptr i8, ptr %self, i64 48
  %owner = getelementptr i8, ptr %self, i64 56
  store ptr null, ptr %chain
  call void @clear(ptr %owner)
  call void @clear(ptr %slow)
  call void @clear(ptr %dict)
  ret i32 0
}

define void @wg_dealloc(ptr %self) {
  call void @PyObject_GC_UnTrack(ptr %self)
  %weak = call ptr @object(ptr %self, i64 4)
  %some = icmp ne ptr %weak, null
  br i1 %some, label %weakrefs, label %rest
weakrefs:
  call void @PyObject_ClearWeakRefs(ptr %self)
  br label %rest
rest:
  %r = call i32 @wg_clear(ptr %self)
  %type = call ptr @object(ptr %self, i64 1)
  call void @PyObject_GC_Del(ptr %self)
  call void @decref(ptr %type)
  ret void
}
"""
