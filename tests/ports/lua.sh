# Lua: its official tests, and a session of our own.

# Each file alone, without what takes much memory. Not here are `all`, which runs the others; `api` and `code`, which
# look into an interpreter that is made for it; `heavy`, which wants gigabytes; and `tracegc`, a part of others.
# Of `files` one line is left out: dash becomes the last command of `sh -c`, so that the signal that ends it ends the
# shell. Of `main` two, which are input that an interpreter with readline repeats. Standard input is a pipe: they want
# one that cannot be sought in.
tests=$root/lua-tests/usr/share/tests/lua
# Programs are started without a PATH, too.
[ "$counting" ] || cp "$root/lua/usr/bin/lua" /usr/bin/
without() { # TEXT FILE
    while IFS= read -r row; do
        case $row in
        *"$1"*) ;;
        *) printf '%s\n' "$row" ;;
        esac
    done <"$2" >rest && mv rest "$2"
}
for file in "$tests"/*.lua; do
    name=${file##*/}
    name=${name%.lua}
    start= prepare=
    case $name in
    all | api | code | heavy | tracegc) continue ;;
    # It is a coroutine, which yields in between.
    big) start='_soft = false; local f = coroutine.wrap(loadfile("big.lua")); os.exit(f() == "b" and f() == "a")' ;;
    main) prepare="without '1 --' main.lua && without '2a = 2' main.lua" ;;
    files) prepare="without 'sh -c '\\''kill -s HUP' files.lua" ;;
    esac
    large_check "own.$name" 0 '' <<.
cp -r $tests/. .
$prepare
true | lua -e '_soft, _port, _nomsg, Message, debug = true, false, true, function() end
$start' $name.lua >log 2>&1 || { status=\$?; tail -n 5 log; exit \$status; }
.
done

check version 0 'Lua 5.4' <<'.'
lua -e 'print(_VERSION)'
.
check arithmetic 0 '3	3.3333333333333	1	8.0	-9223372036854775808	7' <<'.'
lua -e 'print(10//3, 10/3, 10%3, 2^3, math.maxinteger + 1, 3|4)'
.
check floats 0 '0.1 1e+100 inf -nan nan 3.1415926535898 0x1p+0' <<'.'
lua -e 'print(0.1 .. " " .. 1e100 .. " " .. 1/0 .. " " .. tostring(0/0) .. " " .. tostring(-(0/0)) .. " " .. math.pi .. " " .. string.format("%a", 1))'
.
check strings 0 'HELLO	olleh	5	hello world	2	3' <<'.'
lua -e 'local s="hello"; print(s:upper(), s:reverse(), #s, s .. " world", ("abc"):find("bc"))'
.
check patterns 0 'key=value	x-y-z	2024|05' <<'.'
lua -e 'print((("  key = value "):gsub("%s+", "")), (("x y z"):gsub(" ", "-")), table.concat({("2024-05"):match("(%d+)-(%d+)")}, "|"))'
.
check tables 0 '3	1,2,3	5' <<'.'
lua -e 'local t={3,1,2}; table.sort(t); print(#t, table.concat(t, ","), select("#", table.unpack({1,2,3,4,5})))'
.
check closures 0 '1	2	1' <<'.'
lua -e 'local function counter() local n=0; return function() n=n+1; return n end end; local a,b=counter(),counter(); print(a(), a(), b())'
.
check coroutines 0 '1 2 3 end' <<'.'
lua -e 'local c=coroutine.wrap(function() for i=1,3 do coroutine.yield(i) end return "end" end); print(c() .. " " .. c() .. " " .. c() .. " " .. c())'
.
check errors 0 'false	(command line):1: no	false	nil' <<'.'
lua -e 'local a, b = pcall(function() error("no") end); print(a, b, pcall(error))'
.
check metatables 0 'sum 7' <<'.'
lua -e 'local V={}; V.__index=V; V.__add=function(a,b) return setmetatable({n=a.n+b.n},V) end; V.__tostring=function(v) return "sum " .. v.n end; print(setmetatable({n=3},V)+setmetatable({n=4},V))'
.
check collector 0 'collected' <<'.'
lua -e 'local w=setmetatable({},{__mode="k"}); for i=1,1000 do w[{}]=i end; collectgarbage(); print(next(w) == nil and "collected")'
.
check closing 0 'body closed' <<'.'
lua -e 'do local x <close> = setmetatable({}, {__close=function() io.write("closed\n") end}); io.write("body ") end'
.
check utf8 0 '3	228	äöü' <<'.'
lua -e 'print(utf8.len("äöü"), utf8.codepoint("ä"), utf8.char(228, 246, 252))'
.
check files 0 '11	three	nil	no: No such file or directory	2' <<'.'
lua -e 'local f=io.open("f","w"); f:write("one\ntwo\nthree\n"); f:close()
local n=0; for l in io.lines("f") do n=n+#l end
f=io.open("f"); f:seek("set", 8); local l=f:read(); f:close()
print(n, l, io.open("no"))'
.
check numbers_from_file 0 '42	-1.5	255' <<'.'
echo '42 -1.5 0xff' | lua -e 'print(io.read("n", "n", "n"))'
.
check popen 0 'from the shell	nil	exit	3' <<'.'
lua -e 'local p=io.popen("echo from the shell; exit 3"); print(p:read("l"), p:close())'
.
check popen_to 0 'FROM LUA' <<'.'
lua -e 'local p=io.popen("tr a-z A-Z", "w"); p:write("from lua\n"); p:close()'
.
check execute 0 'nil	exit	5	true' <<'.'
lua -e 'local a,b,c=os.execute("exit 5"); print(a,b,c,os.execute())'
.
check environment 0 'value	nil' <<'.'
NAME=value lua -e 'print(os.getenv("NAME"), os.getenv("NO_SUCH_NAME"))'
.
check times 0 '1970-01-02 00:00:00	86400' <<'.'
TZ=UTC0 lua -e 'print(os.date("!%Y-%m-%d %H:%M:%S", 86400), os.time{year=1970,month=1,day=2,hour=0})'
.
check rename_remove 0 'true	true	false' <<'.'
lua -e 'io.open("a","w"):close(); print(os.rename("a","b"), os.remove("b"), os.remove("b") ~= nil)'
.
check modules 0 'module	m.lua' <<'.'
echo 'return {name="module"}' >m.lua
lua -e 'package.path="?.lua"; local m, p = require("m"); print(m.name, p)'
.
check script_arguments 0 's.lua	2	a	b' <<'.'
echo 'print(arg[0], #arg, ...)' >s.lua
lua s.lua a b
.
check compiled 0 'compiled' <<'.'
echo 'print("compiled")' >c.lua
luac -o c.out c.lua && lua c.out
.
check syntax_error 1 "lua: (command line):1: unexpected symbol near <eof>" <<'.'
lua -e 'x =' 2>&1
.
check runtime_error 1 "lua: (command line):1: attempt to index a nil value (local 'x')" <<'.'
lua -e 'local x; print(x.y)' 2>log || { status=$?; head -n 1 log; exit $status; }
.
check sieve 0 '1229' <<'.'
lua -e 'local n,c,s=10000,0,{}; for i=2,n do if not s[i] then c=c+1; for j=i*i,n,i do s[j]=true end end end; print(c)'
.
