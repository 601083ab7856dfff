# xz: its own test programs, its files that must be read and those that must be refused.

tests=$root/xz/usr/share/tests/xz
for program in check stream_flags filter_flags block_header index vli memlimit lzip_decoder index_hash; do
    check "own.$program" 0 '' <<.
[ -x $tests/test_$program ] && srcdir=$tests $tests/test_$program >log 2>&1 || { status=\$?; tail -n 5 log; [ \$status = 77 ]; }
.
done
check own.good_files 0 '' <<'.'
for file in "$tests"/files/good-*.xz; do xz -dc "$file" >/dev/null || echo "${file##*/}"; done
.
check own.bad_files 0 '' <<'.'
for file in "$tests"/files/bad-*.xz; do xz -dc "$file" >/dev/null 2>&1 && echo "${file##*/}"; done
true
.
check round_trip 0 '' <<'.'
xz -6 -c "$tests/test_index" >packed
xz -dc packed | same "$tests/test_index"
.
check threads 0 '' <<'.'
xz -T2 --block-size=65536 -c "$tests/test_index" | xz -dc -T2 | same "$tests/test_index"
.
check list 0 'CRC64' <<'.'
echo text | xz >file.xz
xz --robot -l file.xz | { read name; read file streams blocks in out ratio sum rest; echo $sum; }
.
