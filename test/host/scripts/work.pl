# Perl: files, regular expressions, sorting, pack, closures, local time, sprintf, directories, deep data, signals, evals.
use strict; use warnings; use POSIX qw(floor strftime); use File::Temp qw(tempdir); use File::Spec; use List::Util qw(sum max shuffle); use Digest::MD5 qw(md5_hex); use Time::HiRes qw(sleep time); use Fcntl qw(:flock SEEK_SET);
my $dir = tempdir(CLEANUP => 1);
my $path = File::Spec->catfile($dir, "data");
open(my $out, ">", $path) or die "open: $!";
print $out join("\t", $_, $_ ** 2, sprintf("%x", $_)), "\n" for 1 .. 20000;
close $out;
open(my $in, "<", $path) or die; my ($n, $sum, %last) = (0, 0);
while (<$in>) { chomp; my @f = split /\t/; $n++; $sum += $f[1]; $last{substr $f[2], -1}++; }
close $in;
print "$n $sum ", join(",", map { "$_=$last{$_}" } sort keys %last), "\n";
print -s $path, " ", md5_hex(do { local (@ARGV, $/) = $path; <> }), "\n";
my $text = join " ", map { "word$_" } 1 .. 2000; my %count; $count{length $1}++ while $text =~ /\b(\w+)\b/g;
print join(" ", map { "$_:$count{$_}" } sort { $a <=> $b } keys %count), "\n";
(my $t = "The quick brown fox") =~ s/(\w+)/\u\L$1/g; print scalar reverse($t), "\n";
print unpack("H*", pack("NnCa5w", 1 << 30, 513, 7, "ab", 300)), "\n";
my @sorted = sort { $b->{n} <=> $a->{n} || $a->{s} cmp $b->{s} } map { { n => $_ % 7, s => "s$_" } } 1 .. 50; print join(",", map { $_->{s} } @sorted), "\n";
my %alarm; $SIG{ALRM} = sub { $alarm{got}++; die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 5; alarm 0; }; print "eval: $@";
$SIG{USR1} = sub { print "usr1\n" }; kill USR1 => $$; 
print strftime("%Y-%m-%d %H:%M:%S", gmtime 86400 * 365), "\n";
opendir(my $d, $dir) or die; print join(" ", sort grep { !/^\.\.?$/ } readdir $d), "\n"; closedir $d;
open(my $rw, "+<", $path) or die; flock $rw, LOCK_EX or print "flock: $!\n"; seek $rw, 10, SEEK_SET; print $rw "XYZ"; seek $rw, 0, SEEK_SET; read $rw, my $head, 20; print "$head\n"; truncate $rw, 5; close $rw; print -s $path, "\n";
rename $path, "$path.new" or die; print -e $path ? "there" : "gone", " ", -e "$path.new" ? 1 : 0, "\n"; link("$path.new", "$path.link") or print "link: $!\n"; print((stat "$path.new")[3], "\n"); symlink "data.new", "$path.sym" or die; print readlink("$path.sym"), "\n"; chmod 0400, "$path.new"; printf "%o\n", (stat "$path.new")[2]; utime 1000, 2000, "$path.new"; print join(",", (stat "$path.new")[8, 9]), "\n"; unlink "$path.new", "$path.link", "$path.sym";
pipe(my $r, my $w) or die; syswrite $w, "through a pipe"; close $w; print <$r>, "\n";
my $fib; $fib = sub { my $n = shift; $n < 2 ? $n : $fib->($n - 1) + $fib->($n - 2) }; print $fib->(18), "\n";
printf "%.10f %s %d\n", atan2(1, 1) * 4, 2 ** 70, floor(-3.5); my $s = sum(map { $_ * $_ } 1 .. 1e5); print "$s\n"; print "ok\n"; exit 3;
