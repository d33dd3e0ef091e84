# Turns a text file into C: awk -v name=IDENTIFIER -f text-to-c.awk FILE
BEGIN {
	printf "#include <stddef.h>\n\n"
	printf "extern const char %s[];\nextern const size_t %s_length;\n\n", name, name
	printf "const char %s[] =", name
}
{
	gsub(/\\/, "\\\\")
	gsub(/"/, "\\\"")
	gsub(/\t/, "\\t")
	printf "\n\t\"%s\\n\"", $0
}
END {
	printf ";\nconst size_t %s_length = sizeof(%s) - 1;\n", name, name
}
