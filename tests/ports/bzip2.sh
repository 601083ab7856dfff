# bzip2: what `make test` of its source does, and more.

tests=$root/bzip2/usr/share/tests/bzip2
for n in 1 2 3; do
    check "own.sample$n.compressed" 0 '' <<.
bzip2 -$n <$tests/sample$n.ref | same $tests/sample$n.bz2
.
    option=
    [ $n != 3 ] || option=s
    check "own.sample$n.decompressed" 0 '' <<.
bzip2 -d$option <$tests/sample$n.bz2 | same $tests/sample$n.ref
.
done
check integrity 0 '' <<'.'
bzip2 -t "$tests"/sample?.bz2
.
check damage 2 '' <<'.'
head -c 1000 "$tests/sample1.bz2" >cut.bz2
bzip2 -t cut.bz2 2>/dev/null
.
check in_place 0 'file.bz2
text' <<'.'
echo text >file
bzip2 file; echo *; bunzip2 file.bz2; cat file
.
