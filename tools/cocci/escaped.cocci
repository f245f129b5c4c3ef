// SPDX-License-Identifier: GPL-2.0-only
//
// For users of bgtoken: the owner, which bgtoken_enter() returned or scoped_bgtoken() named,
// is used after the scope has ended, is returned from it, or is kept where it outlives it.
// After the exit nothing pins it. Most bugs in patterns/ were a pointer that outlived its
// owner.
//
// False negatives: what a function does that is given the owner inside the scope; a pointer to
// something that the owner owns, if it has gone through another variable; CLASS(bgtoken).
// False positives: a comparison is let pass, but any function that is given the pointer counts;
// a reference on the owner is known only by a function that ends in _get or _hold; who calls
// bgtoken_cancel() on the way may use it, so this is let pass whatever it returned; keeping
// the owner in an object that does not outlive the scope.
//
// Confidence: high for a use after the exit, moderate for what is kept.
//
// message: the owner is used or kept outside of its scope
// files: bgtoken_enter|scoped_(cond_)?bgtoken

// tools/cocci/macros makes a for loop of scoped_bgtoken() and the like, with
// bgtoken_scope_owner() in it.

// Used after the exit, if it was neither pinned nor taken over by a cancel.
@set_used exists@
expression t, v;
identifier x, m;
identifier get =~ "_(get|hold)$";
identifier g !~ "_put$";
identifier c =~ "^bgtoken_cancel(_nested)?$";
identifier n =~ "^bgtoken_enter(_irqsave)?(_nested)?$";
identifier e =~ "^bgtoken_exit(_irqrestore)?$";
@@
x = n(t, ...)
... when != get(x, ...)
    when != x = v
e(t, ...)
... when != x = v
    when != c(t, ...)
(
* x->m
|
* g(..., x, ...)
|
* g(..., &x->m, ...)
|
* *x
)

@decl_used exists@
expression t, v;
identifier x, m;
type T;
identifier get =~ "_(get|hold)$";
identifier g !~ "_put$";
identifier c =~ "^bgtoken_cancel(_nested)?$";
identifier n =~ "^bgtoken_enter(_irqsave)?(_nested)?$";
identifier e =~ "^bgtoken_exit(_irqrestore)?$";
@@
T x = n(t, ...);
... when != get(x, ...)
    when != x = v
e(t, ...)
... when != x = v
    when != c(t, ...)
(
* x->m
|
* g(..., x, ...)
|
* g(..., &x->m, ...)
|
* *x
)

// Kept in something that is not part of the owner itself.
@set_kept exists@
expression t, v, w;
identifier x, m;
identifier n =~ "^bgtoken_enter(_irqsave)?(_nested)?$";
identifier e =~ "^bgtoken_exit(_irqrestore)?$";
@@
x = n(t, ...)
... when != e(t, ...)
    when != x = v
    when any
(
 x->m = x
|
 x->m = &x->m
|
* w->m = x
|
* w.m = x
|
* *w = x
)

@scoped_kept@
expression t, w;
identifier x, m;
type T;
@@
for (T x = bgtoken_scope_owner(t); ...; ...) {
<...
(
 x->m = x
|
* w->m = x
|
* w.m = x
|
* *w = x
)
...>
}

// Returned from the scope.
@scoped_returned@
expression t;
identifier x;
type T;
@@
for (T x = bgtoken_scope_owner(t); ...; ...) {
<...
* return x;
...>
}

// Kept in a variable that is used after the scope.
@scoped_set exists@
expression t, v;
identifier x, y, m, l, f;
identifier g !~ "_put$";
identifier c =~ "^bgtoken_cancel(_nested)?$";
type T;
@@
f(...) {
... when any
for (T x = bgtoken_scope_owner(t); ...; ...) { <+...
y = \(x\|&x->m\)
...+> }
... when != y = v
    when != c(t, ...)
(
* y->l
|
* g(..., y, ...)
|
* *y
)
... when any
}

@scoped_set_returned exists@
expression t, v;
identifier x, y, m, f;
type T;
@@
f(...) {
... when any
for (T x = bgtoken_scope_owner(t); ...; ...) { <+...
y = \(x\|&x->m\)
...+> }
... when != y = v
* return y;
}
