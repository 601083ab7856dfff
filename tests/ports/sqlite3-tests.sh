# SQLite's tests in Tcl: the set "veryquick", each file with a process and a folder of its own.
#
# The variable PART, N/M, is for every M-th file from the N-th on. What a file came to is told on a line of the log,
# which `tools/ports-table sqlite3` adds up:
#
#   sqlite3-tests NAME: E errors out of T tests
#
# `sqlite3-tests.known` says which tests of a file fail, and why; the file's check passes if these fail and no other.
# In place of tests it has `left out` for a file that is not run.

tests=$root/sqlite3-tests/usr/share/tests/sqlite3-tests
export TCL_LIBRARY=$root/tcl/usr/lib/tcl8.6
exec 3>&1

# The lines of `sqlite3-tests.known`, each with a newline before and behind it.
known_lines=$newline$(cat "$ports/sqlite3-tests.known")$newline

# What is known to fail of a file.
known() { # NAME
    case $known_lines in
    *"$newline$1: "*)
        rest=${known_lines#*"$newline$1: "}
        printf '%s' "${rest%%"$newline"*}"
        ;;
    esac
}

# What the end of a log says of the run; which tests failed is the output.
judged() { # NAME LOG STATUS
    end=$newline$(tail -n 60 "$2")$newline
    case $end in
    *' errors out of '*' tests on '*)
        counts=${end%% tests on *}
        echo "sqlite3-tests $1: ${counts##*"$newline"} tests" >&3
        ;;
    *)
        tail -n 3 "$2"
        echo "status $3"
        return
        ;;
    esac
    case $end in
    *"$newline!Failures on these tests: "*)
        rest=${end#*"$newline!Failures on these tests: "}
        printf '%s\n' "${rest%%"$newline"*}"
        ;;
    *) [ "$3" = 0 ] || { tail -n 3 "$2"; echo "status $3"; } ;;
    esac
}

index=0
for file in $(cat "$tests/veryquick"); do
    index=$((index + 1))
    [ $((index % ${PART#*/})) = $((${PART%/*} % ${PART#*/})) ] || continue
    name=${file##*/}
    name=${name%.test}
    expected=
    [ "$counting" ] || expected=$(known "$name")
    if [ "$expected" = 'left out' ]; then
        skip "own.$name" 'sqlite3-tests.known says why'
        continue
    fi
    large_check "own.$name" 0 "$expected" <<.
timeout -k 1 900 $tests/testfixture $ports/sqlite3-tests.tcl $tests/test $tests/$file >log 2>&1
judged $name log \$?
.
done
