# tcc: its own tests, each compiled and run at once; itself, compiled by itself; programs as people write them.
# It and the headers are put where the package has them.

tests=$root/tcc/usr/share/tests/tcc
[ "$counting" ] || { mkdir -p /usr/lib && cp -r "$root/tcc/usr/lib/tcc" /usr/lib/ && cp -r "$root/relibc/usr/include" /usr/; }

# What is written and what is expected, alike but for blanks, as its Makefile compares them.
alike() {
    [ "$(tr -s ' \t' <"$1" | trimmed)" = "$(tr -s ' \t' <"$2" | trimmed)" ] || { echo "differs from $2:"; cat "$1"; }
}
trimmed() {
    while IFS= read -r row || [ "$row" ]; do
        printf '%s\n' "${row%[ 	]}"
    done
}

# Left out are those that its Makefile leaves out for this processor (34, 73, 98, 99), and those of what is not
# compiled in or cannot be: back traces (112), shared objects (113), bounds (114 to 117).
for file in "$tests"/*.expect; do
    name=${file##*/}
    name=${name%.expect}
    line="tcc -run $name.c"
    case $name in
    34_* | 73_* | 98_* | 99_* | 11[2-7]_*) continue ;;
    31_*) line="$line arg1 arg2 arg3 arg4 arg5" ;;
    46_*) line="$line '[^* ]*[:a:d: ]+\\:\\*-/: \$' 46_grep.c" ;;
    60_* | 96_*) line="tcc -dt -run $name.c" ;;
    76_*) line="tcc -fdollars-in-identifiers -run $name.c" ;;
    104_*) line="tcc 104+_inline.c -run $name.c" ;;
    106_*) line="tcc -pthread $name.c -o a.exe && ./a.exe" ;;
    42_* | 108_*) line="tcc $name.c -o a.exe && ./a.exe" ;;
    esac
    large_check "own.$name" 0 '' <<.
cp $tests/${name%%_*}[_+]* .
{ $line; } >got 2>&1
alike got $name.expect
.
done

large_check own.compiles_itself 0 '42' <<'.'
here=$PWD
build() {
    (cd "$tests/source" && "$1" -I. -DONE_SOURCE=1 -DTCC_TARGET_X86_64 tcc.c symbols.o -lm -o "$2")
}
build tcc "$here/tcc1" && build "$here/tcc1" "$here/tcc2" && same tcc1 <tcc2
echo 'int printf(); int main() { printf("%d\n", 6 * 7); return 0; }' >a.c
./tcc2 -run a.c
.

large_check hello 0 'hello' <<'.'
printf '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n' >hello.c
tcc hello.c -o hello && ./hello
.
large_check run 3 '2 x y' <<'.'
printf '#include <stdio.h>\nint main(int n, char **v) { printf("%%d %%s %%s\\n", n - 1, v[1], v[2]); return 3; }\n' >a.c
tcc -run a.c x y
.
large_check from_input 0 'piped' <<'.'
echo 'int puts(char *); int main(void) { puts("piped"); return 0; }' | tcc -run -
.
large_check objects 0 '5' <<'.'
echo 'int add(int a, int b) { return a + b; }' >add.c
printf '#include <stdio.h>\nint add(int, int);\nint main(void) { printf("%%d\\n", add(2, 3)); return 0; }\n' >main.c
tcc -c add.c && tcc -c main.c && tcc -ar rcs libadd.a add.o && tcc main.o -L. -ladd -o p && ./p
.
# All but that of complex numbers, which it does not have.
large_check headers 0 '' <<'.'
for file in /usr/include/*.h /usr/include/*/*.h; do
    [ "$file" = /usr/include/complex.h ] || echo "#include <${file#/usr/include/}>"
done >all.c
echo 'int main(void) { return 0; }' >>all.c
tcc -Wall -Werror -run all.c
.
large_check floats 0 '3.142 inf 1e+100 -0 0.1
1 1 0 1 2 1' <<'.'
cat >a.c <<'end'
#include <math.h>
#include <stdio.h>
int main(void)
{
    volatile double zero = 0, tiny = 1e-310;
    printf("%.3f %g %g %g %Lg\n", acos(-1), INFINITY, 1e100, -zero, 0.1L);
    printf("%d %d %d %d %d %d\n", isnan(NAN) != 0, isinf(1 / zero) != 0, isfinite(1 / zero) != 0,
           signbit(-zero) != 0, (fpclassify(tiny) == FP_SUBNORMAL) * 2, isnormal(1.0) != 0);
    return 0;
}
end
tcc a.c -lm -o a && ./a
.
large_check threads 0 'main 2, thread 13' <<'.'
cat >a.c <<'end'
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
static int other;
static void *run(void *unused) { errno = EACCES; other = errno; return unused; }
int main(void)
{
    pthread_t thread;
    errno = ENOENT;
    pthread_create(&thread, NULL, run, NULL);
    pthread_join(thread, NULL);
    printf("main %d, thread %d\n", errno, other);
    return 0;
}
end
tcc -pthread a.c -o a && ./a
.
large_check processes 0 'child 4
child 4' <<'.'
cat >a.c <<'end'
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(4);
    waitpid(pid, &status, 0);
    printf("child %d\n", WEXITSTATUS(status));
    return 0;
}
end
tcc -run a.c && tcc a.c -o a && ./a
.
large_check bytes 0 '2211 44332211 8877665544332211 5' <<'.'
cat >a.c <<'end'
#include <byteswap.h>
#include <sched.h>
#include <stdio.h>
int main(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int i = 0; i < 5; i++)
        CPU_SET(i * 7, &set);
    printf("%x %x %lx %d\n", bswap_16(0x1122), bswap_32(0x11223344), bswap_64(0x1122334455667788), CPU_COUNT(&set));
    return 0;
}
end
tcc -run a.c
.
large_check error 1 "a.c:2: error: 'x' undeclared" <<'.'
printf 'int main(void)\n{ return x; }\n' >a.c
tcc -c a.c
.
large_check undefined 1 "tcc: error: undefined symbol 'nowhere'" <<'.'
echo 'int nowhere(void); int main(void) { return nowhere(); }' >a.c
tcc a.c -o a
.
large_check shared 1 'tcc: error: -shared: programs of this system are static' <<'.'
echo 'int f(void) { return 1; }' >a.c
tcc -shared a.c -o a.so
.
large_check contained 0 'computed 120' <<'.'
cat >a.c <<'end'
#include <stdio.h>
static int f(int n) { return n < 2 ? 1 : n * f(n - 1); }
int main(void)
{
    printf("computed %d\n", f(5));
    return fopen("/scheme/initfs/bin/init", "r") != NULL;
}
end
/scheme/initfs/bin/contain --dir "$PWD:ro" --dir /usr:ro -- tcc -run "$PWD/a.c"
.
