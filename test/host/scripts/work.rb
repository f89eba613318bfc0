# Ruby: threads, queues, fibers, big numbers, files, JSON, regular expressions, exceptions, GC, Comparable, time, digests, marshal.
require "json"; require "digest"; require "tempfile"; require "set"; require "stringio"; require "zlib"; require "fileutils"; require "tmpdir"
Dir.mktmpdir do |dir|
  path = File.join(dir, "data")
  File.open(path, "w") { |f| 20000.times { |i| f.puts "#{i}\t#{i * i}" } }
  sum = 0; File.foreach(path) { |l| sum += l.split("\t")[1].to_i }; puts sum, File.size(path), Digest::SHA256.file(path)
  File.open(path, "r+") { |f| f.flock(File::LOCK_EX); f.seek(3); f.write "xyz"; f.rewind; p f.read(10); f.truncate(7) }; p File.stat(path).size
  FileUtils.mkdir_p File.join(dir, "a/b/c"); FileUtils.cp path, File.join(dir, "a/b/copy"); FileUtils.mv File.join(dir, "a/b"), File.join(dir, "moved"); p Dir.glob("**/*", base: dir).sort
  FileUtils.rm_rf File.join(dir, "moved"); p Dir.children(dir).sort
end
q = Queue.new; m = Mutex.new; total = 0
ts = 4.times.map { |i| Thread.new { 500.times { |k| q << k; m.synchronize { total += k } } } }; ts.each(&:join); puts q.size, total
c = ConditionVariable.new; ready = false; t = Thread.new { m.synchronize { c.wait(m) until ready }; :woke }; sleep 0.01; m.synchronize { ready = true; c.signal }; p t.value
begin; Thread.new { raise ArgumentError, "in a thread" }.tap { |x| x.report_on_exception = false }.join; rescue => e; p e; end
begin; require "timeout"; Timeout.timeout(0.05) { sleep 5 }; rescue Timeout::Error => e; p e.class; end
f = Fiber.new { a = 1; loop { Fiber.yield a; a *= 3 } }; p 8.times.map { f.resume }
puts 3**400, (1..200).inject(:*).to_s.size, 10.0 / 3, Rational(3, 7) + 1, Complex(1, 2)**3
h = JSON.parse(JSON.generate({ "a" => [1, 2.5, nil, true], "b" => { "ü" => "€" } })); p h
p "The year 1999 and 2024".scan(/\d+/), "abc".unpack("C*"), [1, 65536].pack("Ns>").bytes
p Zlib::Inflate.inflate(Zlib::Deflate.deflate("x" * 100000)).size, Marshal.load(Marshal.dump([1, "two", { three: 3.0 }]))
r, w = IO.pipe; Thread.new { w.write "piped " * 20000; w.close }; p r.read.size
trap("USR1") { puts "usr1" }; Process.kill("USR1", Process.pid); sleep 0.05
a = Array.new(200000) { |i| "s#{i}" }; GC.start; p a.sort.last, a.to_set.size, ObjectSpace.count_objects.key?(:TOTAL)
def deep(n) = n == 0 ? 0 : 1 + deep(n - 1)
p deep(8000); begin; def ever(n) = ever(n + 1) + 1; ever(0); rescue SystemStackError => e; p e.class; end
p Time.at(0).utc.iso8601 rescue p Time.at(0).utc.to_s
p Process.clock_gettime(Process::CLOCK_MONOTONIC) > 0
exit 4
