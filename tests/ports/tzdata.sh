# Time zones, as programs find them: date has a library of its own for that, lua the C library's.

mkdir -p /usr/share
[ -e /usr/share/zoneinfo ] || ln -s "$root/tzdata/usr/share/zoneinfo" /usr/share/zoneinfo
noon='2024-01-02 12:00:00 +0000'
july='2024-07-02 12:00:00 +0000'

check winter 0 '2024-01-02 04:00:00 PST' <<'.'
TZ=America/Vancouver date -d "$noon" '+%F %T %Z'
.
check summer 0 '14:00 CEST' <<'.'
TZ=Europe/Berlin date -d "$july" '+%R %Z'
.
check half_hours 0 '17:45 +0545' <<'.'
TZ=Asia/Kathmandu date -d "$noon" '+%R %z'
.
check c_library 0 '04 PST' <<'.'
TZ=America/Vancouver lua -e 'print(os.date("%H %Z", 1704196800))'
.
check c_library_summer 0 '14 CEST' <<'.'
TZ=Europe/Berlin lua -e 'print(os.date("%H %Z", 1719921600))'
.
