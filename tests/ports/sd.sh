# sd: find and replace.

check input 0 'hello moon' <<'.'
echo hello world | sd world moon
.
check groups 0 'b-a' <<'.'
echo a-b | sd '(\w)-(\w)' '$2-$1'
.
check fixed 0 'a+b' <<'.'
echo a.b | sd -F . +
.
check file_in_place 0 'new text' <<'.'
echo old text >f; sd old new f; cat f
.
check preview 0 'old' <<'.'
echo old >f; sd -p old new f >/dev/null; cat f
.
check bad_pattern 1 '' <<'.'
echo x | sd '(' y 2>/dev/null
.
