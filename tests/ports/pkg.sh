# Packages of a folder on a disk: installed, looked at, damaged, removed.

pkg=/scheme/initfs/bin/pkg
repo=/scheme/initfs/repo
mkdir -p /etc/pkg
cp $repo/id_ed25519.pub.toml /etc/pkg/

# A file with one byte changed: the one before the last N.
damaged() { # FILE N
    size=$(stat -c %s "$1")
    head -c $((size - $2 - 1)) "$1"
    byte=$(tail -c +$((size - $2)) "$1" | head -c 1 | od -An -tu1)
    printf "\\$(printf %o $(((byte + 1) % 256)))"
    tail -c "$2" "$1"
}

check nothing_yet 0 '' <<'.'
$pkg list; $pkg verify; $pkg recover
.
check install 0 'installed lua' <<'.'
$pkg install --repo $repo lua
.
check it_runs 0 '42' <<'.'
/usr/bin/lua -e 'print(6 * 7)'
.
check list 0 'lua 5.4.4' <<'.'
$pkg list
.
check files 0 '/usr/bin/lua
/usr/bin/luac' <<'.'
$pkg list lua | while read -r file; do
    [ -e "$file" ] || echo "$file is missing"
    case $file in /usr/bin/*) echo "$file" ;; esac
done
.
check verify 0 '' <<'.'
$pkg verify && $pkg verify lua
.
check verify_contents 1 'lua: /usr/bin/luac: is not what was installed' <<'.'
cp -p /usr/bin/luac kept; echo >>/usr/bin/luac
$pkg verify; status=$?
cp -p kept /usr/bin/luac; $pkg verify && exit $status
.
check verify_missing 1 'lua: /usr/bin/luac: is missing' <<'.'
mv /usr/bin/luac /luac
$pkg verify; status=$?
mv /luac /usr/bin/luac; $pkg verify && exit $status
.
check verify_mode 1 'lua: /usr/bin/luac: has mode 4755' <<'.'
chmod 4755 /usr/bin/luac
$pkg verify lua; status=$?
chmod 755 /usr/bin/luac; $pkg verify && exit $status
.
check nothing_twice 0 '' <<'.'
$pkg install --repo $repo lua
.
check no_such_package 1 'pkg: there is no package `nothing`' <<'.'
$pkg install --repo $repo nothing 2>&1
.
# Of several, all or none.
check one_is_missing 1 'pkg: there is no package `nothing`
lua 5.4.4' <<'.'
$pkg install --repo $repo bzip2 nothing 2>&1; status=$?
$pkg list; [ ! -e /usr/bin/bzip2 ] && exit $status
.
check damaged_file 1 'wrong checksum
lua 5.4.4' <<'.'
cp $repo/bzip2.toml .; damaged $repo/bzip2.pkgar 99 >bzip2.pkgar
$pkg install --repo . bzip2 2>&1 | from 'wrong checksum'
$pkg list; [ -e /usr/bin/bzip2 ]
.
check other_signature 1 'pkg: bzip2.pkgar: the signature is not that of the system'\''s key' <<'.'
cp $repo/bzip2.toml .; size=$(stat -c %s $repo/bzip2.pkgar)
damaged $repo/bzip2.pkgar $((size - 1)) >bzip2.pkgar
$pkg install --repo . bzip2 2>&1
.
check foreign_file 0 'mine' <<'.'
echo mine >/usr/bin/other
$pkg remove lua && $pkg install --repo $repo lua >/dev/null && cat /usr/bin/other
.
check two_at_once 0 'installed bzip2
installed zlib
bzip2 1.0.8
lua 5.4.4' <<'.'
$pkg install --repo $repo zlib bzip2; $pkg list | holds 'bzip2 1.0.8'; $pkg list | holds 'lua 5.4.4'
.
# More than a pipe holds, to nobody.
check nobody_reads 0 '0' <<'.'
set -- lua; while [ $# -lt 4000 ]; do set -- "$@" "$@"; done
{ $pkg list "$@"; echo $? >status; } 2>&1 | true; cat status
.
# Who looks on changes nothing of what somebody else is at, and of two changes one is made at a time.
check others_look_on 0 '' <<'.'
$pkg remove bzip2 zlib
$pkg install --repo $repo bzip2 zlib >/dev/null 2>installing & one=$!
$pkg install --repo $repo zlib >/dev/null 2>other & other=$!
for i in 1 2 3 4 5 6 7 8 9 10; do $pkg list >/dev/null 2>&1 || echo "list fails"; done
wait $one || from 'another `pkg` is at work' <installing >/dev/null || cat installing
wait $other || from 'another `pkg` is at work' <other >/dev/null || cat other
$pkg verify; $pkg install --repo $repo bzip2 zlib >/dev/null && $pkg verify
.
check a_folder_is_in_the_way 1 'pkg: usr/bin/bzip2: is a folder, and `bzip2` has a file of this name
lua 5.4.4' <<'.'
$pkg remove bzip2 zlib; mkdir /usr/bin/bzip2
$pkg install --repo $repo bzip2 2>&1; status=$?
rmdir /usr/bin/bzip2; $pkg list; $pkg install --repo $repo zlib bzip2 >/dev/null && exit $status
.
check remove_nothing 1 'pkg: `nothing` is not installed' <<'.'
$pkg remove nothing 2>&1
.
check remove 0 'lua 5.4.4' <<'.'
$pkg remove bzip2 zlib && $pkg list
[ ! -e /usr/bin/bzip2 ] && [ ! -e /usr/include/zlib.h ]
.
check remove_last 0 'other' <<'.'
$pkg remove lua && $pkg list; ls /usr/bin; [ ! -e /usr/include ]
.
