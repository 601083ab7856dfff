# hexyl: bytes in hexadecimal.

check plain 0 '│00000000│ 68 69 0a                ┊                         │hi_     ┊        │' <<'.'
printf 'hi\n' | hexyl --color=never | head -n 2 | tail -n 1
.
check some_bytes 0 '62 63' <<'.'
printf 'abcdef' | hexyl --color=never --plain -s 1 -n 2 --border=none | { read -r line; echo $line; }
.
check file 0 '│00000000│ 41 42 43                ┊                         │ABC     ┊        │' <<'.'
printf ABC >f; hexyl --color=never f | head -n 2 | tail -n 1
.
check squeezed 0 '*' <<'.'
head -c 1000 /dev/zero | hexyl --color=never | head -n 3 | tail -n 1 | cut -c4
.
check missing 1 '' <<'.'
hexyl nothing 2>/dev/null
.
