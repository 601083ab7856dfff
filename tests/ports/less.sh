# less: where its output is no terminal it is `cat`.

check version 0 'less 590' <<'.'
less --version | head -n 1 | cut -d' ' -f1-2
.
check copies 0 'a
b' <<'.'
printf 'a\nb\n' >f; less f
.
check input 0 'piped' <<'.'
echo piped | less
.
check missing 0 'nothing: No such file or directory' <<'.'
less nothing 2>/dev/null
.
