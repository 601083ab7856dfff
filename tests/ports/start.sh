# Prepares a machine that has the packages' files in folders of the initial file system, ports/PACKAGE, and
# nothing else, and runs the tables there: dash start.sh TABLE...
#
# The variable AS is for a user other than root, for tests of what is refused.

here=${0%/*}
root=/scheme/initfs/ports
coreutils=$root/coreutils/usr/bin
for folder in "$root"/*/usr/bin; do
    PATH=${PATH:+$PATH:}$folder
done
HOME=/root TERM=xterm TMPDIR=/tmp TZ=UTC0
export PATH HOME TERM TMPDIR TZ
for folder in /bin /usr /usr/bin /tmp /root; do
    [ -d "$folder" ] || "$coreutils/mkdir" "$folder"
done
# A copy, since a link from one scheme to another is not followed.
"$coreutils/cp" "$root/dash/usr/bin/dash" /bin/sh
export root
for table; do
    set -- "$@" "$here/$table.sh"
    shift
done
[ "${AS-}" ] || exec sh "$here/run.sh" "$@"
"$coreutils/chmod" 1777 /tmp
# It starts with variables of its own, and these.
set -- "PATH=$PATH" "TMPDIR=$TMPDIR" "TZ=$TZ" "root=$root" "PART=${PART-}" /bin/sh "$here/run.sh" "$@"
exec /scheme/initfs/bin/su "$AS" "$coreutils/env" "$@"
