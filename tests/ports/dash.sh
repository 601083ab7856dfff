# What POSIX says a shell does, row by row. The host's own dash passes this table too
# (tests/runner/tests/ports.rs).

check words 0 'a b|c||' <<'.'
set -- 'a b' c ''
printf '%s|' "$@"
.
check quotes 0 "\$x \$x 'v' \"v\" \\" <<'.'
x=v
echo '$x' "\$x" "'$x'" "\"$x\"" \\
.
check comments 0 'a#b' <<'.'
echo a#b # a comment
.
check parameter_default 0 'd  v e:' <<'.'
unset a; b=; c=v
echo "${a-d} ${b-d} ${c-d}" "${b:-e}:"
.
check parameter_assign 0 'x x' <<'.'
unset a
echo ${a=x} $a
.
check parameter_alternative 0 '[] [x] []' <<'.'
unset a; b=; c=v
echo "[${a+x}] [${b+x}] [${b:+x}]"
.
check parameter_error 2 '' <<'.'
unset a
(: ${a?gone}) 2>/dev/null
.
check parameter_length 0 '5 0 2' <<'.'
a=hello; b=; set -- x y
echo ${#a} ${#b} $#
.
check prefix_removal 0 'b/c.d.e c.d.e' <<'.'
a=a/b/c.d.e
echo ${a#*/} ${a##*/}
.
check suffix_removal 0 'a/b/c.d a/b/c' <<'.'
a=a/b/c.d.e
echo ${a%.*} ${a%%.*}
.
check removal_of_quoted_pattern 0 'c' <<'.'
a='*/c'
echo "${a#"*/"}"
.
check nested_expansion 0 'inner' <<'.'
unset a; b=inner
echo ${a:-${b:-none}}
.
check positional_many 0 '10 j' <<'.'
set -- a b c d e f g h i j
echo $# ${10}
.
check positional_join 0 'a:b:c a b c' <<'.'
set -- a b c
IFS=:
x="$*"
IFS=' '
echo "$x" $*
.
check shift_and_set 0 'b c|2' <<'.'
set -- a b c
shift
echo "$*|$#"
.
check field_splitting 0 '[a][b][][c]' <<'.'
IFS=', '
x='a , b,,c'
for w in $x; do printf '[%s]' "$w"; done
.
check no_splitting_in_quotes 0 '[a  b]' <<'.'
x='a  b'
printf '[%s]' "$x"
.
check arithmetic 0 '14 1 -2 8 1 0 255 8' <<'.'
x=3
echo $((2 + 3 * 4)) $((7 % 3)) $((-7 / 3)) $((1 << x)) $((x > 2 && x < 9)) $((!x)) $((0xff)) $((010))
.
check arithmetic_assignment 0 '5 10 0' <<'.'
echo $((x = 5)) $((x *= 2)) $((x ? 0 : 1))
.
check arithmetic_large 0 '9223372036854775807 -9223372036854775808' <<'.'
echo $((9223372036854775807)) $((9223372036854775807 + 1))
.
check division_by_zero 2 '' <<'.'
(echo $((1 / 0))) 2>/dev/null
.
check command_substitution 0 'a b [x]' <<'.'
echo $(echo a; echo b) "[$(printf 'x\n\n\n')]"
.
check command_substitution_nested 0 'deep' <<'.'
echo $(echo $(echo $(echo deep)))
.
check backquotes 0 'a $b' <<'.'
echo `echo a` `echo '$b'`
.
check substitution_status 3 '' <<'.'
x=$(exit 3)
.
check substitution_large 0 '20000' <<'.'
x=$(i=0; while [ $i -lt 2000 ]; do printf 0123456789; i=$((i + 1)); done)
echo ${#x}
.
check tilde 0 '/home/somebody /home/somebody/x ~' <<'.'
HOME=/home/somebody
echo ~ ~/x '~'
.
check glob 0 'a.c b.c|[ab].x|.h' <<'.'
mkdir glob; cd glob; : >a.c; : >b.c; : >d.o; : >.h
printf '%s|' "$(echo *.c)" '[ab].x'; echo .[!.]*
.
check glob_classes 0 'a1 b2|a1|b2|a1 b2 c' <<'.'
mkdir classes; cd classes; : >a1; : >b2; : >c
echo "$(echo ??)|$(echo [!b]?)|$(echo b[[:digit:]])|$(echo *)"
.
check glob_in_folders 0 'd1/x d2/x' <<'.'
mkdir -p tree/d1 tree/d2; cd tree; : >d1/x; : >d2/x
echo */x
.
check glob_off 0 '*' <<'.'
: >somefile
set -f
echo *
.
check glob_without_match 0 'no*such' <<'.'
echo no*such
.
check pipeline 0 '3' <<'.'
printf 'a\nb\nc\n' | while read x; do echo $x; done | { n=0; while read x; do n=$((n + 1)); done; echo $n; }
.
check pipeline_status 5 '' <<'.'
exit 1 | exit 5
.
check pipeline_negation 0 '0 1' <<'.'
! false; a=$?
! true; echo $a $?
.
check pipeline_long 0 'through' <<'.'
echo through | cat | cat | cat | cat | cat | cat
.
check and_or 0 'b c d' <<'.'
false && printf a; true && printf 'b '; false || printf 'c '; true || printf x; false || true && echo d
.
check broken_pipe 0 'y' <<'.'
while :; do echo y; done 2>/dev/null | { read x; echo $x; }
.
check if_else 0 'two' <<'.'
if false; then echo one; elif true; then echo two; else echo three; fi
.
check if_status 0 '0' <<'.'
if false; then :; fi; echo $?
.
check for_loop 0 '1 2 3 ' <<'.'
for i in 1 2 3; do printf '%s ' $i; done
.
check for_arguments 0 'x y ' <<'.'
set -- x y
for i do printf '%s ' $i; done
.
check while_until 0 '012 321' <<'.'
i=0; while [ $i -lt 3 ]; do printf $i; i=$((i + 1)); done
printf ' '
until [ $i -eq 0 ]; do printf $i; i=$((i - 1)); done
.
check break_continue 0 '1a 1c 2a 2c ' <<'.'
for i in 1 2 3; do
    for j in a b c d; do
        case $i$j in ?b) continue ;; 3*) break 2 ;; ?d) continue 2 ;; esac
        printf '%s ' $i$j
    done
done
.
check case_patterns 0 'glob set alt quoted none' <<'.'
f() { case $1 in a*) printf glob ;; [xy]) printf set ;; b | c) printf alt ;; '*') printf quoted ;; *) echo none ;; esac; }
f abc; printf ' '; f y; printf ' '; f c; printf ' '; f '*'; printf ' '; f zzz
.
check functions 0 'f:1:a b outer' <<'.'
v=outer
f() { local v; v=inner; echo "f:$#:$1"; }
echo "$(f 'a b')" $v
.
check function_return 7 '' <<'.'
f() { return 7; echo no; }
f
.
check function_recursion 0 '120' <<'.'
fact() { if [ $1 -le 1 ]; then echo 1; else echo $(($1 * $(fact $(($1 - 1))))); fi; }
fact 5
.
check function_redirection 0 'to file' <<'.'
f() { echo to file; } >out
f; cat out
.
check unset_function 127 '' <<'.'
f() { :; }
unset -f f
f 2>/dev/null
.
check subshell 0 'out' <<'.'
x=out
(x=in; cd /; exit 3) || echo $x
.
check group 0 'ab' <<'.'
{ printf a; printf b; } >out; cat out
.
check here_document 0 'x=v $(echo sub)
$x' <<'.'
x=v
cat <<A
x=$x \$(echo $(echo sub))
A
cat <<'B'
$x
B
.
check here_document_tabs 0 'a
b' <<'.'
cat <<-A
	a
		b
	A
.
check here_document_large 0 '65536' <<'.'
x=0123456789abcdef
x=$x$x$x$x; x=$x$x$x$x; x=$x$x$x$x; x=$x$x$x$x; x=$x$x$x$x
x=$x$x$x$x
cat <<A | wc -c | { read n; echo $((n - 1)); }
$x
A
.
check redirections 0 'one
two
err' <<'.'
echo one >f; echo two >>f; cat <f
{ echo err >&2; } 2>g; cat g
.
check redirect_both 0 '2' <<'.'
{ echo a; echo b >&2; } >f 2>&1; n=0
while read x; do n=$((n + 1)); done <f; echo $n
.
check descriptors 0 'three' <<'.'
exec 3>f; echo three >&3; exec 3>&-; cat f
.
check descriptor_closed 2 '' <<'.'
exec 3>&-
(echo x >&3) 2>/dev/null
.
check read_write 0 'abXYef' <<'.'
printf abcdef >f
exec 3<>f; head -c 2 <&3 >/dev/null; exec 3>&-
printf abXYef 1<>f; cat f
.
check no_clobber 2 '' <<'.'
: >f; set -C
(echo x >f) 2>/dev/null
.
check no_such_file 2 '' <<'.'
(: <nothing) 2>/dev/null
.
check exec_replaces 0 'replaced' <<'.'
exec sh -c 'echo replaced'
echo no
.
check exit_status_not_found 127 '' <<'.'
no_such_command 2>/dev/null
.
check exit_status_not_executable 126 '' <<'.'
: >f
./f 2>/dev/null
.
check script_without_interpreter 0 'plain a' <<'.'
echo 'echo plain $1' >s; chmod +x s
./s a
.
check script_with_interpreter 0 'named b' <<'.'
printf '#!/bin/sh\necho named $1\n' >s; chmod +x s
./s b
.
check exit_trap 3 'bye' <<'.'
trap 'echo bye' EXIT
exit 3
.
check signal_trap 0 'caught
after' <<'.'
sh -c 'trap "echo caught" USR1; kill -USR1 $$; echo after'
.
check signal_trap_during_wait 0 'caught
138' <<'.'
sh -c 'trap "echo caught" USR1; (sleep 0.1; kill -USR1 $$) & p=$!; sleep 60 & wait $!; echo $?; kill %2 2>/dev/null || kill $!'
.
check signal_ignored 0 'alive' <<'.'
sh -c 'trap "" TERM; kill -TERM $$; echo alive'
.
check killed_by_signal 0 '143' <<'.'
exec 2>/dev/null
sh -c 'kill -TERM $$'
echo $?
.
check background 0 'child
4' <<'.'
(echo child; exit 4) &
wait $!
echo $?
.
check background_many 0 '10' <<'.'
for i in 0 1 2 3 4 5 6 7 8 9; do (exit $i) & p="$p $!"; done
n=0; i=0
for q in $p; do wait $q; [ $? = $i ] && n=$((n + 1)); i=$((i + 1)); done
echo $n
.
# Starting some while others are ending.
check background_again 0 '300' <<'.'
n=0; r=0
while [ $r -lt 30 ]; do
    p=; r=$((r + 1))
    for i in 0 1 2 3 4 5 6 7 8 9; do (exit $i) & p="$p $!"; done
    i=0
    for q in $p; do wait $q; [ $? = $i ] && n=$((n + 1)); i=$((i + 1)); done
done
echo $n
.
check wait_for_killed 0 '137' <<'.'
exec 2>/dev/null
sleep 60 &
kill -KILL $!
wait $!
echo $?
.
check wait_for_nobody 127 '' <<'.'
wait 99999
.
check errexit 1 'before' <<'.'
set -e
echo before
false
echo after
.
check errexit_exceptions 0 'end' <<'.'
set -e
if false; then :; fi
false || true
! true
while false; do :; done
echo end
.
check nounset 2 '' <<'.'
(set -u; unset a; echo $a) 2>/dev/null
.
check xtrace 0 '+ echo a
a' <<'.'
set -x
echo a
.
check noexec 0 '' <<'.'
sh -n -c 'echo no'
.
check getopts 0 'a:- b:val rest:x y' <<'.'
set -- -a -bval x y
while getopts ab: o; do printf '%s:%s ' $o "${OPTARG:--}"; done
shift $((OPTIND - 1)); echo rest:$*
.
check read_fields 0 '[a][b c]' <<'.'
echo 'a  b c ' | { read x y; echo "[$x][$y]"; }
.
check read_raw 0 'a\nb' <<'.'
printf '%s\n' 'a\nb' | { read -r x; printf '%s\n' "$x"; }
.
check read_continued 0 'ab' <<'.'
printf 'a\\\nb\n' | { read x; echo $x; }
.
check read_at_end 1 '' <<'.'
read x </dev/null
.
check printf_formats 0 '   7|7   |0x1f|a|%|3.50|x y' <<'.'
printf '%4d|%-4d|%#x|%c|%%|%.2f|%b\n' 7 7 31 abc 3.5 'x y'
.
check printf_reused 0 '1-2
3-' <<'.'
printf '%s-%s\n' 1 2 3
.
check test_strings 0 'y y y y' <<'.'
[ a = a ] && printf 'y '; [ a != b ] && printf 'y '; [ -z '' ] && printf 'y '; [ -n x ] && echo y
.
check test_numbers 0 'y y y n' <<'.'
[ 2 -lt 10 ] && printf 'y '; [ 10 -ge 10 ] && printf 'y '; [ -1 -ne 1 ] && printf 'y '; [ 1 -gt 2 ] || echo n
.
check test_files 0 'efdsrwL' <<'.'
echo x >f; mkdir d; ln -s f l
[ -e f ] && printf e; [ -f f ] && printf f; [ -d d ] && printf d; [ -s f ] && printf s
[ -r f ] && printf r; [ -w f ] && printf w; [ -L l ] && echo L
.
check test_newer 0 'newer' <<'.'
: >old; touch -d '2001-01-01' old; : >new
[ new -nt old ] && echo newer
.
check cd_and_pwd 0 '/d/e /d
/d' <<'.'
base=$PWD; mkdir -p d/e; cd d/e
a=${PWD#$base}; cd ..; echo $a ${PWD#$base}; b=$(cd - >/dev/null; cd ..; pwd); echo ${b#$base}
.
check cd_through_link 0 '/l
/d' <<'.'
base=$PWD; mkdir d; ln -s d l; cd l
p=$(pwd -L); echo ${p#$base}; p=$(pwd -P); echo ${p#$base}
.
check umask 0 '0027 -rw-r-----' <<'.'
umask 027; : >f
set -- $(ls -l f); echo $(umask) ${1%.}
.
check environment 0 'v
x w' <<'.'
a=v; export a; b=x
sh -c 'echo $a $b'; b=x c=w sh -c 'echo $b $c'
.
check readonly 2 '' <<'.'
(readonly a=1; a=2) 2>/dev/null
.
check eval 0 '5' <<'.'
n=a; eval $n=5; eval echo \$$n
.
check dot 0 'in file 3' <<'.'
echo 'x=3; echo in file $x' >f; . ./f
.
check alias 0 'aliased' <<'.'
alias say=echo
eval 'say aliased'
.
check command_builtin 0 'not a function' <<'.'
echo() { printf 'function\n'; }
command echo not a function
.
check type 0 'f is a shell function
cd is a shell builtin' <<'.'
f() { :; }
type f cd
.
check times 0 'ran' <<'.'
times >/dev/null && echo ran
.
check option_c_arguments 0 'zero one two' <<'.'
sh -c 'echo $0 $1 $2' zero one two
.
check script_from_input 0 'from input x' <<'.'
echo 'echo from input $1' | sh -s x
.
check deep_nesting 0 '30' <<'.'
s='echo 30'
i=0; while [ $i -lt 30 ]; do s="($s)"; i=$((i + 1)); done
eval "$s"
.
check many_processes 0 '40' <<'.'
i=0; while [ $i -lt 40 ]; do (exit 0) && i=$((i + 1)); done; echo $i
.
