# Ports with nothing but what is named: what they can reach, and what they cannot.
# Each check has its folder, and a file `secret` beside it, which no contained program is given.

contain=/scheme/initfs/bin/contain
echo needle outside >secret
secret=$PWD/secret

check dash.given_folder 0 'mine' <<'.'
echo mine >f; $contain --dir "$PWD" -- dash -c 'read line <"$1"; echo "$line"' dash "$PWD/f"
.
check dash.makes_files 0 'made' <<'.'
$contain --dir "$PWD" -- dash -c 'echo made >"$1"' dash "$PWD/f"; cat f
.
check dash.file_outside 0 'unreachable' <<'.'
$contain --dir "$PWD" -- dash -c 'read line <"$1" || echo unreachable' dash "$secret" 2>/dev/null
.
check dash.way_up 0 'unreachable' <<'.'
$contain --dir "$PWD" -- dash -c 'read line <"$1/../secret" || echo unreachable' dash "$PWD" 2>/dev/null
.
check dash.link_outside 0 'unreachable' <<'.'
ln -s ../secret link; $contain --dir "$PWD" -- dash -c 'read line <"$1" || echo unreachable' dash "$PWD/link" 2>/dev/null
.
check dash.file_beside 0 'refused' <<'.'
$contain --dir "$PWD" -- dash -c 'echo x >"$1" || echo refused' dash "${secret%/*}/new" 2>/dev/null
[ ! -e "${secret%/*}/new" ]
.
check dash.read_only 0 'mine refused
mine' <<'.'
echo mine >f
$contain --dir "$PWD:ro" -- dash -c 'read line <"$1"; echo x >"$1" || echo "$line" refused' dash "$PWD/f" 2>/dev/null
cat f
.
check dash.nothing_named 0 'unreachable' <<'.'
$contain -- dash -c 'read line <"$1" || echo unreachable' dash "$secret" 2>/dev/null
.
check dash.schemes 0 'unreachable unreachable' <<'.'
$contain --dir "$PWD" -- dash -c 'for name in initfs/bin/init rand; do true </scheme/$name || echo unreachable; done' 2>/dev/null | { read a; read b; echo "$a $b"; }
.
check dash.scheme_named 0 'there' <<'.'
$contain --scheme zero -- dash -c 'true </scheme/zero && echo there' 2>/dev/null
.
check dash.programs 127 '' <<'.'
$contain --dir "$PWD" --env "PATH=$PATH" -- dash -c 'rg --version' 2>/dev/null
.
check dash.variables 0 'none given' <<'.'
OUTSIDE=1 $contain --dir "$PWD" --env INSIDE=given -- dash -c 'echo ${OUTSIDE-none} $INSIDE'
.
check dash.processes 0 'unknown' <<'.'
$contain --dir "$PWD" -- dash -c 'kill -0 "$1" || echo unknown' dash $$ 2>/dev/null
.
check dash.own_processes 0 'child 3' <<'.'
$contain --scheme pipe --dir "$PWD" -- dash -c '(echo child; exit 3) | { read a; echo $a 3; }'
.
check dash.no_pipe 2 '' <<'.'
$contain --dir "$PWD" -- dash -c 'echo a | read a' 2>/dev/null
.
check dash.exit_status 7 '' <<'.'
$contain -- dash -c 'exit 7' 2>/dev/null
.
check dash.signal 0 '143' <<'.'
($contain -- dash -c 'kill $$'; echo $?) 2>/dev/null
.

check lua.given_folder 0 'mine' <<'.'
$contain --dir "$PWD" -- lua -e "local f = assert(io.open('$PWD/f', 'w')); f:write('mine\n'); f:close()"; cat f
.
check lua.file_outside 0 'nil	2' <<'.'
$contain --dir "$PWD" -- lua -e "local f, _, e = io.open('$secret'); print(f, e)"
.
check lua.file_outside_kept 0 'nil nil
needle outside' <<'.'
$contain --dir "$PWD" -- lua -e "print(tostring(os.remove('$secret')) .. ' ' .. tostring(os.rename('$secret', '$PWD/s')))"; cat "$secret"
.
check lua.read_only 0 'nil' <<'.'
$contain --dir "$PWD:ro" -- lua -e "print((io.open('$PWD/f', 'w')))"; [ ! -e f ]
.
check lua.program 0 'nil' <<'.'
$contain --dir "$PWD" -- lua -e "print((os.execute('echo x')))"
.
check lua.variables 0 'nil	1' <<'.'
$contain --env A=1 -- lua -e "print(os.getenv 'PATH', os.getenv 'A')"
.
check lua.computes_with_nothing 0 '120' <<'.'
$contain -- lua -e 'local function f(n) return n < 2 and 1 or n * f(n - 1) end print(f(5))'
.

check sqlite3.given_folder 0 '3' <<'.'
$contain --dir "$PWD" --env HOME=/ -- sqlite3 "$PWD/t.db" 'create table t(a); insert into t values(1), (2); select sum(a) from t'
.
# Where nothing can be changed nothing can be locked either.
check sqlite3.read_only 0 '1
1' <<'.'
sqlite3 t.db 'create table t(a); insert into t values(1)'
$contain --dir "$PWD:ro" --env HOME=/ -- sqlite3 -vfs unix-none "$PWD/t.db" 'select count(*) from t'
$contain --dir "$PWD:ro" --env HOME=/ -- sqlite3 -vfs unix-none "$PWD/t.db" 'insert into t values(2)' 2>/dev/null && echo changed
sqlite3 t.db 'select count(*) from t'
.
check sqlite3.database_outside 0 'unreachable' <<'.'
sqlite3 ../secret.db 'create table t(a)'
$contain --dir "$PWD" --env HOME=/ -- sqlite3 "$PWD/t.db" "attach '${secret%/*}/secret.db' as s; select * from s.t" 2>/dev/null || echo unreachable
.
check sqlite3.file_outside 0 'null' <<'.'
$contain --dir "$PWD" --env HOME=/ -- sqlite3 "$PWD/t.db" "select typeof(readfile('$secret'))"
.
check sqlite3.program 0 '' <<'.'
$contain --dir "$PWD" --env HOME=/ -- sqlite3 "$PWD/t.db" ".shell echo x" 2>/dev/null
.
check sqlite3.memory_with_nothing 0 '2' <<'.'
$contain --env HOME=/ -- sqlite3 :memory: 'create table t(a); insert into t values(1), (2); select count(*) from t'
.

check ripgrep.given_folder 0 'inside' <<'.'
echo needle >inside; $contain --scheme rand --dir "$PWD" -- rg -l --no-messages needle "$PWD" | while read -r file; do echo "${file##*/}"; done
.
check ripgrep.everything_it_can_see 0 'inside' <<'.'
echo needle >inside; $contain --scheme rand --dir "$PWD" -- rg -l --no-messages needle / | while read -r file; do echo "${file##*/}"; done
.
check ripgrep.file_outside 2 '' <<'.'
$contain --scheme rand --dir "$PWD" -- rg needle "$secret" 2>/dev/null
.
check ripgrep.input 0 'b' <<'.'
printf 'a\nb\n' | $contain --scheme rand --dir "$PWD:ro" -- rg b -
.
# It asks where it is before anything else.
check ripgrep.nothing_named 2 'rg: failed to get current working directory' <<'.'
echo b | $contain --scheme rand -- rg b - 2>log || { status=$?; from 'rg: failed' <log | head -c 43; exit $status; }
.
