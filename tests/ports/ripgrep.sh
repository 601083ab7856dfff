# ripgrep: searching files and folders.

check version 0 'ripgrep 15.2.0' <<'.'
rg --version | head -n 1
.
check line_numbers 0 '2:two' <<'.'
printf 'one\ntwo\nthree\n' >f; rg -n tw f
.
check nothing_found 1 '' <<'.'
echo a >f; rg b f
.
check bad_pattern 2 '' <<'.'
echo a >f; rg '(' f 2>/dev/null
.
check input 0 'b1' <<'.'
printf 'a1\nb1\n' | rg '^b\d'
.
check folders 0 'd/e/f:1:needle
g:1:needle' <<'.'
mkdir -p d/e; echo needle >d/e/f; echo needle >g; echo hay >h
rg -n --sort path needle
.
check ignored_files 0 'kept:needle' <<'.'
mkdir .git; echo dropped >.gitignore; echo needle >dropped; echo needle >kept; echo needle >.hidden
rg needle
.
check hidden_and_ignored 0 '.hidden:needle
dropped:needle
kept:needle' <<'.'
mkdir .git; echo dropped >.gitignore; echo needle >dropped; echo needle >kept; echo needle >.hidden
rg -uu --sort path needle
.
check globs_and_types 0 'a.c
b.rs' <<'.'
for f in a.c b.rs c.txt; do echo needle >$f; done
rg -l -g '*.c' needle; rg -l -t rust needle
.
check counts 0 'f:2' <<'.'
printf 'a\nb\na\n' >f; rg -cH a f
.
check context 0 '1-one
2:two
3-three' <<'.'
printf 'one\ntwo\nthree\nfour\n' >f; rg -n -C1 two f
.
check words_and_case 0 'Foo bar' <<'.'
printf 'Foo bar\nfoobar\n' >f; rg -iw foo f
.
check replacement 0 'b=a' <<'.'
echo a=b | rg -r '$2=$1' '(\w)=(\w)'
.
check multiple_lines 0 'a
b' <<'.'
printf 'a\nb\nc\n' >f; rg -U 'a\nb' f
.
check unicode 0 'größe' <<'.'
printf 'groesse\ngröße\n' >f; rg 'gr\p{L}ße' f
.
check binary_files 0 'binary file matches (found "\0" byte around offset 6)' <<'.'
printf 'needle\0x' >f; rg needle f
.
check json 0 '"type":"match"' <<'.'
echo needle >f; rg --json needle f | rg -o '"type":"match"'
.
check files_listed 0 'a
b' <<'.'
: >a; : >b; rg --files --sort path
.
check many_files_in_parallel 0 '200' <<'.'
i=0; while [ $i -lt 200 ]; do echo needle >f$i; i=$((i + 1)); done
rg -j 4 -l needle | wc -l
.
