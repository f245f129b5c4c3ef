// SPDX-License-Identifier: GPL-2.0-only
//
// For users of bgtoken: a scope that is begun with bgtoken_enter() or its like and left on
// some path without bgtoken_exit(), after which a cancel waits for ever; or an exit after the
// exit, which the kernel warns of. tools/faults/scope-left-open.c and exit-twice-mutex.c are
// small ones. scoped_bgtoken() cannot be wrong in this way.
//
// After "x = bgtoken_enter(token)" the scope is there if x is: if (!x) S, if (x) { },
// if (!bgtoken_enter(token)) S and if (bgtoken_enter(token)) { } are known, in a declaration
// or a statement. What is shown is where the scope begins, or the second exit.
//
// False negatives: other conditions, such as x && x->ready; the path past if (x) { } on which only
// some branch in the braces has an exit; a scope that ends in another function.
// False positives: that one, where the function says so in its name; tokens that have another
// expression at the exit than at the enter; one exit in a loop that goes over many tokens.
//
// Confidence: high.
//
// message: a path leaves the scope without an exit, or exits twice
// files: bgtoken_(enter|exit)

// if (!x) leaves, and there is a way through the rest that has no exit.
@set_left disable neg_if exists@
expression t;
identifier f;
identifier n =~ "^bgtoken_enter(_irqsave)?(_nested)?$";
identifier e =~ "^bgtoken_exit(_irqrestore)?$";
expression x;
position p;
statement S;
@@
f(...) {
	... when any
	x = n@p(t, ...)
	... when != x
	if (!x) S
	... when != e(t, ...)
	    when strict
}

// There is an if (x), and no exit in it.
@set_ends@
expression t;
identifier n =~ "^bgtoken_enter(_irqsave)?(_nested)?$";
identifier e =~ "^bgtoken_exit(_irqrestore)?$";
expression x;
position p;
statement S;
@@
x = n@p(t, ...)
... when != x
(
if (x) { <+... e(t, ...) ...+> } else S
|
if (x) e(t, ...); else S
)

@set_in disable neg_if@
expression t;
identifier n =~ "^bgtoken_enter(_irqsave)?(_nested)?$";
expression x;
position p != {set_ends.p};
statement S1, S2;
@@
x = n@p(t, ...)
... when != x
if (x) S1 else S2

// There is, but a return comes before it.
@set_return exists@
expression t;
identifier n =~ "^bgtoken_enter(_irqsave)?(_nested)?$";
identifier e =~ "^bgtoken_exit(_irqrestore)?$";
expression x;
position p;
statement S;
@@
x = n@p(t, ...)
... when != x
if (x) {
	... when != e(t, ...)
	    when strict
	return ...;
} else S

@decl_left disable neg_if exists@
expression t;
identifier f;
identifier n =~ "^bgtoken_enter(_irqsave)?(_nested)?$";
identifier e =~ "^bgtoken_exit(_irqrestore)?$";
type T;
identifier x;
position p;
statement S;
@@
f(...) {
	... when any
	T x = n@p(t, ...);
	... when != x
	if (!x) S
	... when != e(t, ...)
	    when strict
}

@decl_ends@
expression t;
identifier n =~ "^bgtoken_enter(_irqsave)?(_nested)?$";
identifier e =~ "^bgtoken_exit(_irqrestore)?$";
type T;
identifier x;
position p;
statement S;
@@
T x = n@p(t, ...);
... when != x
(
if (x) { <+... e(t, ...) ...+> } else S
|
if (x) e(t, ...); else S
)

@decl_in disable neg_if@
expression t;
identifier n =~ "^bgtoken_enter(_irqsave)?(_nested)?$";
type T;
identifier x;
position p != {decl_ends.p};
statement S1, S2;
@@
T x = n@p(t, ...);
... when != x
if (x) S1 else S2

@decl_return exists@
expression t;
identifier n =~ "^bgtoken_enter(_irqsave)?(_nested)?$";
identifier e =~ "^bgtoken_exit(_irqrestore)?$";
type T;
identifier x;
position p;
statement S;
@@
T x = n@p(t, ...);
... when != x
if (x) {
	... when != e(t, ...)
	    when strict
	return ...;
} else S

// The owner is not kept: only the condition tells.
@bare_left disable neg_if exists@
expression t;
identifier f;
identifier n =~ "^bgtoken_enter(_irqsave)?(_nested)?$";
identifier e =~ "^bgtoken_exit(_irqrestore)?$";
position p;
statement S;
@@
f(...) {
	... when any
	if (!n@p(t, ...)) S
	... when != e(t, ...)
	    when strict
}

@bare_ends@
expression t;
identifier n =~ "^bgtoken_enter(_irqsave)?(_nested)?$";
identifier e =~ "^bgtoken_exit(_irqrestore)?$";
position p;
statement S;
@@
if (n@p(t, ...)) { <+... e(t, ...) ...+> } else S

@bare_in disable neg_if@
expression t;
identifier n =~ "^bgtoken_enter(_irqsave)?(_nested)?$";
position p != {bare_ends.p};
statement S1, S2;
@@
if (n@p(t, ...)) S1 else S2

// An exit, and after it another of the same token.
@twice exists@
expression t;
identifier a =~ "^bgtoken_exit(_irqrestore)?$";
identifier n =~ "^bgtoken_enter(_irqsave)?(_nested)?$";
identifier e =~ "^bgtoken_exit(_irqrestore)?$";
position p;
@@
a(t, ...)
... when != n(t, ...)
e@p(t, ...)

// To show a place alters what the rules after it see of its function, so all are
// shown last.
@@
position set_left.p;
identifier i;
@@
* i@p(...)

@@
position set_in.p;
identifier i;
@@
* i@p(...)

@@
position set_return.p;
identifier i;
@@
* i@p(...)

@@
position decl_left.p;
identifier i;
@@
* i@p(...)

@@
position decl_in.p;
identifier i;
@@
* i@p(...)

@@
position decl_return.p;
identifier i;
@@
* i@p(...)

@@
position bare_left.p;
identifier i;
@@
* i@p(...)

@@
position bare_in.p;
identifier i;
@@
* i@p(...)

@@
position twice.p;
identifier i;
@@
* i@p(...)
