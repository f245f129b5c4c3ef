# SPDX-License-Identifier: GPL-2.0-only
#
# Writes the examples of a document as C: each literal block that a comment
# ".. example: NAME" goes before.

/^\.\. example: / { wanted = 1; next }
wanted && /^::$/ { inside = 1; wanted = 0; next }
inside && /^[^\t]/ { inside = 0; print "" }
inside {
	if (!told++)
		print "/* From " FILENAME ", by doc_examples.awk. */"
	sub(/^\t/, "")
	print
}
END {
	if (!told) {
		print FILENAME ": no examples" > "/dev/stderr"
		exit 1
	}
}
