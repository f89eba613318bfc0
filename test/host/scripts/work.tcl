# Tcl: files, channels, regexps, dicts, events (after, fileevent), clock, namespaces, coroutines, big numbers.
set path [file join [pwd] tcl.data]
set f [open $path w]; fconfigure $f -buffering full
for {set i 0} {$i < 20000} {incr i} { puts $f "$i [expr {$i * $i}]" }
close $f; puts [file size $path]
set f [open $path r]; set sum 0; while {[gets $f line] >= 0} { incr sum [lindex $line 1] }; close $f; puts $sum
set f [open $path r+]; seek $f 5; puts -nonewline $f XYZ; seek $f 0; puts [read $f 12]; chan truncate $f 9; close $f; puts [file size $path]
file mkdir a/b/c; file copy $path a/b/copy; file rename a/b moved; puts [lsort [glob -directory moved *]]; file delete -force moved a; puts [lsort [glob *]]
puts [regexp -all -inline {\d+} "a1b22c333"]; puts [regsub -all {(\w)(\w)} "abcd" {\2\1}]
set d [dict create x 1 y 2]; dict incr d x 5; puts [dict get $d x]; puts [lsort -integer -decreasing {5 3 9 1}]
puts [expr {2**200}] ; puts [format %.12f [expr {atan(1) * 4}]]; puts [clock format 0 -gmt 1]
set n 0; proc tick {} { global n; if {[incr n] < 5} { after 5 tick } else { set ::done 1 } }; after 5 tick; vwait done; puts "ticks $n"
set p [chan pipe]; lassign $p r w; fconfigure $w -buffering line; puts $w "through a pipe"; fileevent $r readable {gets $r line; set ::done $line}; vwait done; puts $done
proc gen {} { yield; for {set i 0} {$i < 4} {incr i} { yield $i } }; coroutine g gen; puts [list [g] [g] [g]]
proc fib n { expr {$n < 2 ? $n : [fib [expr {$n-1}]] + [fib [expr {$n-2}]]} }; puts [fib 17]
puts [catch {open /no/such} m]; puts $m; puts [string length [encoding convertto utf-8 "€uro"]]; puts [zlib crc32 [string repeat abc 1000]]
file delete $path; exit 5
