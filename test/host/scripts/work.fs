\ Gforth: words, files, memory, floats, exceptions, time
: fib dup 2 < if else dup 1- recurse swap 2 - recurse + then ; 20 fib . cr
create buf 100 allot : squares 10 0 do i dup * . loop cr ; squares
s" forth.data" w/o create-file throw value fd s" hello file" fd write-line throw fd close-file throw
s" forth.data" r/o open-file throw to fd buf 100 fd read-line throw drop buf swap type cr fd close-file throw
: big 1000000 allocate throw dup 1000000 0 fill 999999 + c@ . cr ; big 1e 3e f/ f. cr : t try 1 throw endtry-iferror ." caught " . then ; : q ['] abort catch . ; q cr
utime d0= 0= . cr 5 ms s" nosuch" r/o open-file nip . cr bye
