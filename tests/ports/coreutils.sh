# uutils coreutils: every utility at least once, files and their attributes in depth.

check count_of_utilities 0 'many' <<'.'
n=0
for program in "$root"/coreutils/usr/bin/*; do [ -L "$program" ] && n=$((n + 1)); done
[ $n -ge 60 ] && echo many || echo $n
.
check arch 0 'x86_64' <<'.'
arch
.
check basename_dirname 0 'c.txt c /a/b .' <<'.'
echo $(basename /a/b/c.txt) $(basename /a/b/c.txt .txt) $(dirname /a/b/c.txt) $(dirname x)
.
check base32_base64 0 'NBUQU=== aGkK hi' <<'.'
echo $(echo hi | base32) $(echo hi | base64) $(echo aGkK | base64 -d)
.
check basenc 0 '68690a' <<'.'
echo hi | basenc --base16 | tr A-F a-f
.
check cat 0 'a
b
     1	a' <<'.'
echo a >x; echo b >y; cat x y; cat -n <x
.
check checksums 0 '60b725f10c9c85c70d97880dfe8191b3
3f786850e387550fdab836ed7e6dc881de23001b
87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7
OK' <<'.'
echo a >x
for sum in md5sum sha1sum sha256sum; do $sum x | cut -d' ' -f1; done
for sum in b2sum sha224sum sha384sum sha512sum; do $sum x >$sum; $sum -c $sum; done | cut -d' ' -f2 | uniq
.
check chmod 0 '644 755 -rw-r----- 4755' <<'.'
: >f; chmod 644 f; a=$(stat -c %a f); chmod a+x,u+w f; b=$(stat -c %a f)
chmod u=rw,g=r,o= f; c=$(ls -l f | cut -c1-10); chmod 4755 f; echo $a $b $c $(stat -c %a f)
.
check chmod_recursive 0 '700 600' <<'.'
mkdir d; : >d/f; chmod -R u=rwX,go= d; echo $(stat -c %a d) $(stat -c %a d/f)
.
check chmod_recursive_links 0 '600 755 0' <<'.'
: >out; chmod 600 out; mkdir d; ln -s ../out d/l; ln -s nothing d/n
chmod -R 755 d; status=$?; echo $(stat -c %a out) $(stat -c %a d) $status
.
check comm 0 'b' <<'.'
printf 'a\nb\n' >x; printf 'b\nc\n' >y; comm -12 x y
.
check cp 0 'text text' <<'.'
echo text >a; cp a b; mkdir d; cp a d; echo $(cat b) $(cat d/a)
.
check cp_recursive 0 'deep l -> deep' <<'.'
mkdir -p s/t; echo deep >s/t/deep; ln -s deep s/t/l; cp -R s c
echo $(cat c/t/deep) l '->' $(readlink c/t/l)
.
check cp_attributes 0 '640 1000000000' <<'.'
: >a; chmod 640 a; touch -d @1000000000 a; cp -p a b; stat -c '%a %Y' b
.
check cp_refusals 1 '' <<'.'
cp nothing x 2>/dev/null
.
check csplit 0 'b' <<'.'
printf 'a\nb\nc\n' >f; csplit -s f 2 3; cat xx01
.
check cut 0 'b,d
bcd' <<'.'
echo a,b,c,d | cut -d, -f2,4; echo abcdef | cut -c2-4
.
check date 0 '2001-09-09T01:46:40 Sunday' <<'.'
TZ=UTC0 date -u -d @1000000000 '+%Y-%m-%dT%H:%M:%S %A'
.
check dd 0 '1024 bcd' <<'.'
dd if=/dev/zero of=z bs=512 count=2 2>/dev/null
echo $(wc -c <z) $(echo abcdef | dd bs=1 skip=1 count=3 2>/dev/null)
.
check dircolors 0 'LS_COLORS' <<'.'
dircolors -b | head -n 1 | cut -d= -f1
.
check du 0 'd' <<'.'
mkdir d; echo x >d/f; du -s d | cut -f2
.
check echo 0 'a	b' <<'.'
command env echo -e 'a\tb'
.
check env 0 'x=1
none' <<'.'
env -i x=1 "$root/coreutils/usr/bin/env"; env -u HOME sh -c 'echo ${HOME-none}'
.
check expand 0 'a       b
a	b' <<'.'
printf 'a\tb\n' | expand; printf 'a       b\n' | unexpand -a
.
check expr 0 '7 3 abc' <<'.'
echo $(expr 1 + 2 \* 3) $(expr length abc) $(expr abcd : '\(abc\)')
.
check factor 0 '1001: 7 11 13' <<'.'
factor 1001
.
check false_true 0 '1 0' <<'.'
env false; a=$?; env true; echo $a $?
.
check fmt 0 'a b c' <<'.'
printf 'a\nb\nc\n' | fmt
.
check fold 0 'abc
def' <<'.'
echo abcdef | fold -w 3
.
check head_tail 0 '1 2 9 10 2 3' <<'.'
echo $(seq 10 | head -n 2) $(seq 10 | tail -n 2) $(seq 3 | tail -n +2)
.
check join 0 '1 a x' <<'.'
printf '1 a\n2 b\n' >x; printf '1 x\n3 y\n' >y; join x y
.
check kill 0 '143 TERM' <<'.'
exec 2>/dev/null
sleep 60 & p=$!
env kill -TERM $p; wait $p; echo $? $(env kill -l 15)
.
check links 0 '2 same f text' <<'.'
echo text >f; ln f g; ln -s f l
[ f -ef g ] && same=same
echo $(stat -c %h f) $same $(readlink l) $(cat l)
.
check link_unlink 0 'gone' <<'.'
: >a; link a b; unlink a; [ -e a ] || [ ! -e b ] || echo gone
.
check ls 0 'a
b
d
.h a b d' <<'.'
: >b; : >a; mkdir d; : >.h; ls; echo $(ls -A)
.
check ls_long 0 '-rw-r--r-- 1 3
drwxr-xr-x
lrwxrwxrwx l -> f' <<'.'
umask 022; printf abc >f; mkdir d; ln -s f l
set -- $(ls -l f); echo ${1%.} $2 $5; ls -ld d | cut -c1-10
set -- $(ls -l l); echo ${1%.} $(ls -l l | from ' l -> ')
.
check ls_sorted 0 'big small old new' <<'.'
mkdir s; echo 123456 >s/big; echo 1 >s/small; mkdir t; touch -d @1000 t/old; touch -d @2000 t/new
echo $(ls -S s) $(ls -tr t)
.
check mkdir_rmdir 0 'made gone' <<'.'
mkdir -p a/b/c; [ -d a/b/c ] && printf 'made '; rmdir -p a/b/c; [ -e a ] || echo gone
.
check mkdir_mode 0 '700' <<'.'
mkdir -m 700 d; stat -c %a d
.
check mkfifo 0 'prw-r----- c b a' <<'.'
mkfifo -m 640 p; mode=$(ls -l p | cut -c1-10)
printf 'a\nb\nc\n' >p &
echo $mode $(sort -r p); wait
.
check mkfifo_both_ways 0 'one two three' <<'.'
mkfifo to back
while read -r word; do echo "$word"; done <to >back &
{ echo one; echo two; echo three; } >to &
echo $(cat back); wait
.
check mkfifo_refusals 1 "mkfifo: cannot create fifo 'p': File exists" <<'.'
mkfifo p; mkfifo p
.
check mknod 0 'fifo text' <<'.'
mknod p p; echo text >p &
[ -p p ] && echo fifo $(cat p); wait
.
check mknod_of_a_device 255 'mknod: Operation not permitted (os error 1)' <<'.'
mknod null c 1 3; status=$?; [ ! -e null ] || echo made; (exit $status)
.
check mktemp 0 'file folder' <<'.'
[ -f "$(mktemp -p .)" ] && printf 'file '; [ -d "$(mktemp -d -p .)" ] && echo folder
.
check mv 0 'text moved' <<'.'
echo text >a; mkdir d; mv a b; mv b d/; [ -e b ] || echo $(cat d/b) moved
.
check mv_over 0 'new' <<'.'
echo old >a; echo new >b; mv -f b a; cat a
.
check nice 0 'ran' <<'.'
nice -n 5 echo ran
.
check nl 0 '     1	a' <<'.'
echo a | nl
.
check nproc 0 'some' <<'.'
[ $(nproc) -ge 1 ] && echo some
.
check numfmt 0 '1.0M' <<'.'
numfmt --to=iec 1048576
.
check od 0 '0000000 61 62 0a
0000003' <<'.'
echo ab | od -t x1
.
check paste 0 'a	1
b	2' <<'.'
printf 'a\nb\n' >x; printf '1\n2\n' >y; paste x y
.
check pathchk 1 '' <<'.'
pathchk -p 'a*b' 2>/dev/null
.
check pr 0 'a' <<'.'
echo a | pr -t
.
check printenv 0 'v' <<'.'
X=v printenv X
.
check printf 0 '007 x' <<'.'
env printf '%03d %s\n' 7 x
.
check ptx 0 'one' <<'.'
echo one | ptx | tr -d ' '
.
check pwd 0 'same' <<'.'
[ "$(env pwd)" = "$PWD" ] && echo same
.
check readlink_realpath 0 '/d/f /d/f' <<'.'
base=$(pwd -P); mkdir d; : >d/f; ln -s d/f l
a=$(readlink -f l); b=$(realpath l); echo ${a#$base} ${b#$base}
.
check rm 0 'kept' <<'.'
mkdir -p d/e; : >d/e/f; : >k; rm -r d; rm -f nothing; [ -e d ] || [ ! -e k ] || echo kept
.
check rm_refuses_folders 1 '' <<'.'
mkdir d; rm d 2>/dev/null
.
check seq 0 '1 2 3 1,3,5' <<'.'
echo $(seq 3) $(seq -s, 1 2 5)
.
check shred 0 'gone' <<'.'
echo secret >f; shred -u f; [ -e f ] || echo gone
.
check shuf 0 '1 2 3 4 5' <<'.'
echo $(shuf -i 1-5 | sort -n)
.
check sleep_timeout 0 '124' <<'.'
timeout 0.2 sleep 60; echo $?
.
check sort 0 'a b c|10 9 1|a 1,b 2,' <<'.'
echo "$(echo $(printf 'b\nc\na\n' | sort))|$(echo $(printf '9\n10\n1\n' | sort -rn))|$(printf 'b 2\na 1\n' | sort -k2 | tr '\n' ,)"
.
check sort_many 0 '1 20000' <<'.'
seq 20000 | shuf | sort -n >s; echo $(head -n 1 s) $(tail -n 1 s)
.
check split 0 'xaa xab 2' <<'.'
seq 4 | split -l 2; echo xa? $(wc -l <xaa)
.
check stat 0 'regular file 3 644' <<'.'
printf abc >f; chmod 644 f; stat -c '%F %s %a' f
.
check sum_cksum 0 '36979|2418082923 2' <<'.'
echo "$(printf 'hello\n' | sum | cut -d' ' -f1)|$(printf 'a\n' | cksum)"
.
check tee 0 'x x' <<'.'
echo $(echo x | tee f) $(cat f)
.
check test 0 'yes' <<'.'
env test 1 -lt 2 && env '[' -d . ']' && echo yes
.
check touch 0 '1000000000 2000000000' <<'.'
touch -d @1000000000 f; touch -m -d @2000000000 f; stat -c '%X %Y' f
.
check tr 0 'ABC ac b' <<'.'
echo $(echo abc | tr a-z A-Z) $(echo abc | tr -d b) $(echo abbb | tr -s b | tr -d a)
.
check truncate 0 '100 3' <<'.'
truncate -s 100 f; a=$(wc -c <f); printf abcdef >g; truncate -s 3 g; echo $a $(wc -c <g)
.
check tsort 0 'a b c' <<'.'
echo $(printf 'a b\nb c\n' | tsort)
.
check tty 1 'not a tty' <<'.'
tty
.
check uniq 0 '2 a 1 b' <<'.'
echo $(printf 'a\na\nb\n' | uniq -c)
.
check wc 0 '2 3 14' <<'.'
echo $(printf 'one two\nthree\n' | wc)
.
check yes 0 'y y' <<'.'
echo $(yes | head -n 2)
.
check dir_vdir 0 'f -rw-r--r--' <<'.'
umask 022; : >f; echo $(dir) $(vdir f | cut -c1-10)
.
check large_file 0 '5000000 same' <<'.'
head -c 5000000 /dev/zero >a; cp a b
[ "$(cksum <a)" = "$(cksum <b)" ] && same=same
echo $(wc -c <a) $same
.
check cp_archive 0 'fifo symbolic link 1577934245' <<'.'
mkdir s
touch -d @1577934245 s/f
ln -s nowhere s/l
mkfifo s/p
timeout 20 cp -a s t && stat -c %F t/p t/l | tr '\n' ' ' && stat -c %Y t/f
.
check dd_seeks_in_null 0 '' <<'.'
dd if=/dev/zero of=/dev/null bs=4096 seek=3 count=2 2>/dev/null
.
