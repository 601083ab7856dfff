# SQLite: what of its own tests runs without Tcl (`fuzzcheck`: statements that fuzzing found, each with what
# must hold after it; `speedtest1`, which checks the database at its end), and a session of our own.

tests=$root/sqlite3/usr/share/tests/sqlite3
check own.fuzzcheck 0 ' 0 errors ' <<'.'
cp "$tests/fuzzdata4.db" .
"$tests/fuzzcheck" --limit-mem 30M fuzzdata4.db >log 2>&1 || { status=$?; tail -n 3 log; exit $status; }
holds ' 0 errors ' <log
.
check own.speedtest1 0 'ok' <<'.'
"$tests/speedtest1" --size 2 --verify t.db >log 2>&1 || { status=$?; tail -n 3 log; exit $status; }
sqlite3 t.db 'pragma integrity_check'
.
check persistent 0 '14|2' <<'.'
sqlite3 t.db 'create table t(a, b); insert into t values(1, 2), (3, 4);'
sqlite3 t.db 'select sum(a * b), count(*) from t;'
.
check transaction 0 '1
0' <<'.'
sqlite3 t.db "create table t(a); begin; insert into t values(1); select count(*) from t; rollback; select count(*) from t;"
.
check savepoints 0 '1,3' <<'.'
sqlite3 :memory: "create table t(a); begin; insert into t values(1); savepoint s; insert into t values(2); rollback to s; insert into t values(3); commit; select group_concat(a) from t;"
.
check joins 0 'x|1
y|' <<'.'
sqlite3 :memory: "create table a(k, n); create table b(k, v); insert into a values(1, 'x'), (2, 'y'); insert into b values(1, 1); select n, v from a left join b using(k) order by n;"
.
check window_functions 0 '1|1
2|3
3|6' <<'.'
sqlite3 :memory: "with recursive c(x) as (select 1 union all select x + 1 from c where x < 3) select x, sum(x) over (order by x) from c;"
.
check index_used 0 'SEARCH t USING COVERING INDEX i (a=?)' <<'.'
sqlite3 :memory: "create table t(a); create index i on t(a); explain query plan select a from t where a = 5;" | from SEARCH
.
check constraints 19 'UNIQUE constraint failed: t.a' <<'.'
sqlite3 :memory: "create table t(a unique); insert into t values(1); insert into t values(1);" 2>log || { status=$?; holds 'UNIQUE constraint failed: t.a' <log; exit $status; }
.
check triggers 0 'insert 7' <<'.'
sqlite3 :memory: "create table t(a); create table log(x); create trigger g after insert on t begin insert into log values('insert ' || new.a); end; insert into t values(7); select x from log;"
.
check json 0 '2|[1,{"a":5}]' <<'.'
sqlite3 :memory: "select json_extract('{\"a\":[1,2]}', '$.a[1]'), json_array(1, json_object('a', 5));"
.
check full_text 0 'a quick fox' <<'.'
sqlite3 :memory: "create virtual table f using fts5(t); insert into f values('a quick fox'), ('a lazy dog'); select t from f where f match 'quick';"
.
check r_tree 0 '1' <<'.'
sqlite3 :memory: "create virtual table r using rtree(id, x0, x1); insert into r values(1, 0, 10), (2, 20, 30); select id from r where x0 <= 5 and x1 >= 5;"
.
check dates 0 '2024-02-29|1709164800|86400' <<'.'
sqlite3 :memory: "select date('2024-02-28', '+1 day'), strftime('%s', '2024-02-29'), strftime('%s', '1970-01-02');"
.
check floats 0 '0.1|1.0e+100|3.33333333333333|2.0' <<'.'
sqlite3 :memory: "select 0.1, 1e100, 10 / 3.0, sqrt(4);"
.
check blobs 0 '10000|4142' <<'.'
sqlite3 t.db "create table b(x); insert into b values(zeroblob(10000)); select length(x) from b; select hex('AB');" | { read a; read b; echo "$a|$b"; }
.
check csv 0 '2|b' <<'.'
printf 'k,v\n1,a\n2,b\n' >in.csv
sqlite3 :memory: '.import --csv in.csv t' "select k, v from t where k = '2';"
.
check dump_and_restore 0 '3' <<'.'
sqlite3 a.db "create table t(a); insert into t values(1), (2), (3); create index i on t(a);"
sqlite3 a.db .dump | sqlite3 b.db
sqlite3 b.db 'select count(*) from t'
.
check backup 0 '1' <<'.'
sqlite3 a.db "create table t(a); insert into t values(1);" ".backup c.db"
sqlite3 c.db 'select a from t'
.
check vacuum 0 'smaller' <<'.'
sqlite3 t.db "create table t(x); with recursive c(i) as (select 1 union all select i + 1 from c where i < 200) insert into t select zeroblob(1000) from c; delete from t;"
before=$(wc -c <t.db); sqlite3 t.db vacuum; [ $(wc -c <t.db) -lt $before ] && echo smaller
.
check many_rows 0 '50005000|ok' <<'.'
sqlite3 t.db "create table t(a integer primary key, b text); with recursive c(i) as (select 1 union all select i + 1 from c where i < 10000) insert into t select i, 'row ' || i from c; create index i on t(b);"
sqlite3 t.db "select sum(a) from t; pragma integrity_check;" | { read a; read b; echo "$a|$b"; }
.
check locked 5 'database is locked' <<'.'
sqlite3 t.db 'create table t(a)'
{ echo 'begin exclusive; insert into t values(1);'; echo '.shell touch ready; while [ ! -e done ]; do sleep 0.1; done'; echo 'commit;'; } | sqlite3 t.db &
while [ ! -e ready ]; do sleep 0.1; done
sqlite3 t.db 'insert into t values(2)' 2>log; status=$?
touch done; wait
holds 'database is locked' <log; exit $status
.
# With a log that is written ahead, readers go on while another process writes; they share memory.
check write_ahead_log 0 'wal
1
2|ok' <<'.'
sqlite3 t.db 'pragma journal_mode=wal; create table t(a); insert into t values(1);'
{ echo 'begin immediate; insert into t values(2);'; echo '.shell touch ready; while [ ! -e done ]; do sleep 0.1; done'; echo 'commit;'; } | sqlite3 t.db &
while [ ! -e ready ]; do sleep 0.1; done
sqlite3 t.db 'select count(*) from t'
touch done; wait
sqlite3 t.db 'select count(*) from t; pragma integrity_check;' | { read a; read b; echo "$a|$b"; }
.
check rollback_after_a_kill 0 '0|ok' <<'.'
sqlite3 t.db 'create table t(a)'
{ echo 'begin; insert into t values(1);'; echo '.shell touch ready'; sleep 20; } 2>/dev/null | sqlite3 t.db &
while [ ! -e ready ]; do sleep 0.1; done
kill -KILL $! 2>/dev/null; wait $! 2>/dev/null
sqlite3 t.db 'select count(*) from t; pragma integrity_check;' 2>&1 | { read a; read b; echo "$a|$b"; }
.
