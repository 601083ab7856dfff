# Runs tables of checks and reports them in the test runner's protocol (tests/runner/src/judge.rs).
#
#   sh run.sh TABLE.sh...
#
# A table is a script that calls, for every check,
#
#   check NAME STATUS OUTPUT <<'.'
#   commands
#   .
#
# The commands run in a subshell, in an empty folder. STATUS is what they are to exit with,
# OUTPUT what they are to write, standard error included, without newlines at the end.
# A check whose name begins with `own.` is one of the package's own tests.
# `$ports` is the folder of this script, `$root` what start.sh makes it: PACKAGE/usr below it are a package's files.

newline='
'

check() {
    if [ "$counting" ]; then
        count=$((count + 1))
        return
    fi
    script=
    while IFS= read -r line; do
        script=$script$line$newline
    done
    mkdir "$1"
    got=$( (cd "$1" && eval "$script") 2>&1 </dev/null)
    status=$?
    if [ "$status" = "$2" ] && [ "$got" = "$3" ]; then
        echo "@test ok $table.$1"
    else
        failures=$((failures + 1))
        echo "@test FAIL $table.$1: expected $2 \"$(one_line "$3")\", got $status \"$(one_line "$got")\""
    fi
}

# A check whose folder does not stay: there is room for some megabytes.
large_check() {
    check "$@"
    [ "$counting" ] || rm -rf "$1"
}

# One of a package's own tests that cannot pass here, and why: skip NAME REASON
skip() {
    if [ "$counting" ]; then
        count=$((count + 1))
    else
        echo "@test skip $table.$1: $2"
    fi
}

# Text with newlines written as \n, since a report is one line.
one_line() {
    rest=$1
    while :; do
        case $rest in
        *"$newline"*) printf '%s\\n' "${rest%%"$newline"*}" && rest=${rest#*"$newline"} ;;
        *) break ;;
        esac
    done
    printf '%s\n' "$rest"
}

# For the tables, since no package has sed, grep or cmp.

# Whether the input is what a file holds.
same() {
    [ "$(sha256sum)" = "$(sha256sum <"$1")" ] || echo "differs from $1"
}

# Lines of the input that have the text, from there on.
from() {
    while IFS= read -r row; do
        case $row in
        *"$1"*) printf '%s\n' "$1${row#*"$1"}" ;;
        esac
    done
}

# The text, if a line of the input has it.
holds() {
    while IFS= read -r row; do
        case $row in
        *"$1"*) printf '%s\n' "$1" && return ;;
        esac
    done
    return 1
}

case $0 in
*/*) ports=$(cd "${0%/*}" && pwd) ;;
*) ports=$PWD ;;
esac
scratch=${TMPDIR:-/tmp}/ports.$$
failures=0
count=0
here=$PWD

# Reads every table, in a folder of its own when the checks are to be run.
tables() {
    for file; do
        case $file in
        /*) ;;
        *) file=$here/$file ;;
        esac
        table=${file##*/}
        table=${table%.sh}
        if [ ! "$counting" ]; then
            mkdir "$scratch/$table" && cd "$scratch/$table" || exit 2
        fi
        . "$file"
    done
}

counting=yes
tables "$@"
echo "@test plan $count"
counting=
mkdir "$scratch" || exit 2
tables "$@"
cd "$here" && rm -rf "$scratch"
[ "$failures" = 0 ]
