# zlib: its own test program, and round trips through `minigzip`.

tests=$root/zlib/usr/share/tests/zlib
check own.example 0 'uncompress(): hello, hello!
gzread(): hello, hello!
gzgets() after gzseek:  hello!
inflate(): hello, hello!
large_inflate(): OK
after inflateSync(): hello, hello!
inflate with dictionary: hello, hello!' <<'.'
"$tests/example" 2>&1 | tail -n +2
.
check round_trip 0 '' <<'.'
"$tests/minigzip" <"$tests/example" >packed
"$tests/minigzip" -d <packed | same "$tests/example"
.
check levels 0 'smaller' <<'.'
"$tests/minigzip" -1 <"$tests/example" >fast
"$tests/minigzip" -9 <"$tests/example" >best
[ $(wc -c <best) -lt $(wc -c <fast) ] && [ $(wc -c <fast) -lt $(wc -c <"$tests/example") ] && echo smaller
.
check in_place 0 'text' <<'.'
echo text >file
"$tests/minigzip" file && [ ! -e file ] && "$tests/minigzip" -d file.gz && cat file
.
check known_file 0 'hello, hello!' <<'.'
printf '\037\213\010\000\000\000\000\000\002\003\313\110\315\311\311\327\121\310\000\121\212\134\000\203\326\271\125\016\000\000\000' >file.gz
"$tests/minigzip" -d <file.gz
.
