# tclsh tcl.tcl LOG: which tests failed, by what `tcltest` wrote. It fails if they did not come to their end.
set log [open [lindex $argv 0]]
fconfigure $log -encoding binary -translation lf
set text [read $log]
set failed [lsort -unique [lmap {line name} [regexp -all -inline -line {^==== (\S+) .*FAILED$} $text] { set name }]]
foreach name $failed { puts $name }
exit [expr {![regexp -line {^\S+\.test:\tTotal\t[1-9]\d*\tPassed\t\d+\tSkipped\t\d+\tFailed\t(\d+)$} $text line count]}]
