# testfixture sqlite3-tests.tcl FOLDER FILE: runs one of SQLite's tests as its own `permutations.test veryquick` does.
lassign $argv testdir file
set argv --verbose=0
set argv0 $file
source $testdir/tester.tcl
db close
array set G {isquick 1 perm:name veryquick perm:prefix {} perm:dbconfig {} perm:presql {}}
slave_test_file $file
finish_test
