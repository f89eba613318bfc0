<?php // PHP: files, preg, json, generators, sorting, hashes, DateTime, streams, exceptions, big arrays.
$dir = getcwd() . "/php.d"; mkdir($dir); $path = "$dir/data";
$f = fopen($path, "w"); for ($i = 0; $i < 20000; $i++) fwrite($f, "$i\t" . $i * $i . "\n"); fclose($f);
$sum = 0; foreach (file($path) as $l) $sum += (int)explode("\t", $l)[1]; echo $sum, " ", filesize($path), " ", hash_file("sha256", $path), "\n";
$f = fopen($path, "r+"); var_dump(flock($f, LOCK_EX)); fseek($f, 4); fwrite($f, "XYZ"); rewind($f); echo fread($f, 12), "\n"; ftruncate($f, 8); fclose($f); clearstatcache(); echo filesize($path), "\n";
copy($path, "$path.2"); rename("$path.2", "$path.3"); symlink("data.3", "$path.sym"); echo readlink("$path.sym"), "\n"; print_r(array_values(array_diff(scandir($dir), [".", ".."])));
rename($dir, "$dir.moved"); echo is_dir($dir) ? "old" : "gone", count(glob("$dir.moved/*")), "\n"; array_map("unlink", glob("$dir.moved/*")); rmdir("$dir.moved");
preg_match_all('/(\w)(\d+)/', "a1 b22 c333", $m); echo json_encode($m), "\n"; var_dump(json_decode('{"a":[1,2.5,null,true],"b":{"ü":"€"}}', true));
function gen() { for ($i = 0; $i < 5; $i++) { $x = yield $i => $i * $i; if ($x) echo "got $x\n"; } } foreach (gen() as $k => $v) echo "$k=$v "; echo "\n";
$a = range(1, 200000); usort($a, fn($x, $y) => $y <=> $x); echo $a[0], " ", array_sum($a), " ", md5(implode(",", $a)), "\n";
try { intdiv(1, 0); } catch (DivisionByZeroError $e) { echo $e->getMessage(), "\n"; }
echo (new DateTimeImmutable("@0"))->format(DATE_ATOM), " ", serialize(unserialize(serialize([1, "a" => new ArrayObject([1])]))), "\n";
printf("%.12f %s %s\n", M_PI, PHP_INT_MAX + 1, bin2hex(pack("NnC", 1 << 30, 513, 7)));
$t = tempnam(sys_get_temp_dir(), "x"); file_put_contents($t, str_repeat("x", 1 << 20)); echo strlen(file_get_contents($t)), "\n"; unlink($t);
$m = fopen("php://memory", "w+"); fwrite($m, "mem"); rewind($m); echo stream_get_contents($m), "\n"; usleep(1000); echo gettype(hrtime(true)), "\n";
echo strlen(random_bytes(16)), " ", strlen(serialize(array_fill(0, 10000, "y"))), "\n"; exit(6);
