# SPDX-License-Identifier: GPL-2.0-only
#
# Writes the examples of documents as C: each literal block that a comment
# ".. example: NAME" goes before.

FNR == 1 { inside = wanted = told = 0 }
/^\.\. example: / { wanted = 1; next }
wanted && /^::$/ { inside = 1; wanted = 0; next }
wanted && NF {
	print FILENAME ": " FNR ": no literal block after an example's name" > "/dev/stderr"
	exit failed = 1
}
inside && /^[^\t]/ { inside = 0; print "" }
inside {
	if (!told++)
		print "/* From " FILENAME ", by doc_examples.awk. */"
	any = 1
	sub(/^\t/, "")
	print
}
END {
	if (failed)
		exit 1
	if (!any) {
		print FILENAME ": no examples" > "/dev/stderr"
		exit 1
	}
}
