# usage: awk -f layers.awk src/ORDER src/*/*.[ch]
# Complains of an include that climbs, of an outside header used by a module
# that does not own it, and of a module or line of ORDER without the other.
FILENAME == ARGV[1] {
	if ($0 ~ /^#/ || NF == 0)
		next
	rank[$1] = ++count
	for (i = 2; i <= NF; i++)
		owner[$i] = owner[$i] " " $1
	next
}
FNR == 1 {
	me = module(substr(FILENAME, 5))
	seen[me] = 1
	if (!(me in rank))
		bad(FILENAME ": not in ORDER")
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, q, "\"")
	it = module(q[2])
	if (!(it in rank))
		bad(FILENAME ":" FNR ": includes unlisted " it)
	else if (rank[it] > rank[me])
		bad(FILENAME ":" FNR ": climbs to " it)
}
/^[ \t]*#[ \t]*include[ \t]*</ {
	split($0, q, /[<>]/)
	if (q[2] in owner && index(owner[q[2]] " ", " " me " ") == 0)
		bad(FILENAME ":" FNR ": " q[2] " belongs to" owner[q[2]])
}
function module(path) {
	sub(/(\.tbl)?\.[ch]$/, "", path)
	return path
}
function bad(text) {
	print text
	failed = 1
}
END {
	for (m in rank)
		if (!(m in seen))
			bad("src/ORDER: " m " has no file")
	exit failed
}
