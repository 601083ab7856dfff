# Tcl: sessions of our own.

check expressions 0 '42 3.3333333333333335 1267650600228229401496703205376 1.4142135623730951' <<'.'
echo 'puts "[expr 6*7] [expr 10/3.0] [expr 2**100] [expr sqrt(2)]"' >t.tcl
tclsh t.tcl
.
check version 0 '8.6.13' <<'.'
echo 'puts [info patchlevel]' | tclsh
.
check strings 0 'HELLO olleh 5 {a b} 1-2-3 äöü' <<'.'
tclsh <<'X'
fconfigure stdout -encoding utf-8
puts [list [string toupper hello] [string reverse hello] [string length hello] {a b} [join {1 2 3} -] \u00e4\u00f6\u00fc]
X
.
check patterns 0 'key value|x-y-z' <<'.'
tclsh <<'X'
regexp {\s*(\w+)\s*=\s*(\w+)} "  key = value " all k v
puts "$k $v|[regsub -all { } {x y z} -]"
X
.
check procedures 0 '3628800 1,2,3' <<'.'
tclsh <<'X'
proc factorial n { expr {$n < 2 ? 1 : $n * [factorial [expr {$n - 1}]]} }
puts "[factorial 10] [join [lsort -integer {3 1 2}] ,]"
X
.
check errors 1 'no such thing
    while executing
"error "no such thing""
    (file "t.tcl" line 1)' <<'.'
echo 'error "no such thing"' >t.tcl
tclsh t.tcl
.
check files 0 '11 1 0 a b' <<'.'
tclsh <<'X'
set f [open a w]; puts -nonewline $f "one\ntwo\nfour"; close $f
file copy a b
puts "[expr {[file size a] - 1}] [file exists b] [file exists c] [lsort [glob *]]"
X
.
check processes 0 'FROM TCL 3' <<'.'
tclsh <<'X'
set text [exec echo from tcl | tr a-z A-Z]
catch {exec sh -c "exit 3"} message options
puts "$text [lindex [dict get $options -errorcode] 2]"
X
.
check pipes 0 'one two' <<'.'
tclsh <<'X'
set p [open |cat r+]; fconfigure $p -buffering line
puts $p one; gets $p a; puts $p two; gets $p b; close $p
puts "$a $b"
X
.
check events 0 '1 2 3' <<'.'
tclsh <<'X'
foreach n {1 2 3} { after [expr {$n * 20}] [list lappend seen $n] }
after 200 {set done 1}; vwait done
puts $seen
X
.
check times 0 '1970-01-02 00:00:00' <<'.'
echo 'puts [clock format 86400 -gmt 1 -format "%Y-%m-%d %H:%M:%S"]' | tclsh
.
check objects 0 'woof' <<'.'
tclsh <<'X'
oo::class create Dog { method speak {} { return woof } }
puts [[Dog new] speak]
X
.
check packages 0 '0 failed, 1 passed' <<'.'
cat >a.test <<'X'
package require tcltest
namespace import tcltest::*
test sum-1 {} { expr {1 + 1} } 2
puts "$tcltest::numTests(Failed) failed, $tcltest::numTests(Passed) passed"
X
tclsh a.test
.
