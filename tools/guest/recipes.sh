#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Run the recipes of Documentation/tracing.rst, which are in recipes/NAME, with what they are to
# print in recipes/NAME.expect, while filters are compiled, and files of them closed; inside the
# virtual machine. tools/check-recipes runs it, and fetches what each printed, recipes/NAME.output.

set -u
# shellcheck source=tools/guest/lib.sh
. ./lib.sh

# Until there are random numbers, hashed addresses are not printed.
head -c 1 /dev/random >/dev/null
bgfilter cancel -n 200 --rounds 1000000 >/dev/null 2>&1 &
cancels=$!
while bgfilter bulk -n 4 --no-run; do :; done >/dev/null 2>&1 &
bulks=$!

try() {
	sh "recipes/$1" >"recipes/$1.output" 2>&1 || { tail -n 20 "recipes/$1.output"; return 1; }
	grep -E -q -f "recipes/$1.expect" "recipes/$1.output" || { tail -n 20 "recipes/$1.output"; return 1; }
}

for recipe in recipes/*; do
	case $recipe in
	*.expect | *.output) continue ;;
	esac
	check "${recipe#recipes/} prints what it is to" try "${recipe#recipes/}"
done
kill "$cancels" "$bulks"
wait
[ $failed = 0 ]
