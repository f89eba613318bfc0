# the standard library at work: json, re, threads, sqlite, files, hashes, big numbers, exceptions
import collections, hashlib, json, math, os, queue, re, struct, sys, tempfile, threading, time, zlib, random, decimal
print(sys.argv[1:], math.factorial(50))
d = {str(i): [i, i * i, {"x": i / 7}] for i in range(2000)}
print(hashlib.sha256(json.dumps(d, sort_keys=True).encode()).hexdigest())
print(zlib.crc32(zlib.decompress(zlib.compress(b"goblin" * 10000))))
print(len(re.findall(r"\b(\w+)ing\b", "running jumping sitting over thing" * 500)))
q, done = queue.Queue(), []
def work():
    while (i := q.get()) is not None:
        done.append(i * i)
ts = [threading.Thread(target=work) for _ in range(4)]
for t in ts: t.start()
for i in range(500): q.put(i)
for _ in ts: q.put(None)
for t in ts: t.join()
print(sum(done), threading.active_count())
with tempfile.TemporaryDirectory() as tmp:
    p = os.path.join(tmp, "f")
    with open(p, "w") as f:
        for i in range(5000): f.write(f"{i}\n")
    os.rename(p, p + "2")
    print(os.listdir(tmp), os.path.getsize(p + "2"), sum(map(int, open(p + "2"))))
print(os.path.exists(tmp))
random.seed(7)
print([random.randint(0, 99) for _ in range(10)], decimal.Decimal(2).sqrt())
try:
    import sqlite3
    c = sqlite3.connect(":memory:")
    c.execute("create table t(a, b)")
    c.executemany("insert into t values(?, ?)", [(i, i % 7) for i in range(1000)])
    print(c.execute("select b, count(*), sum(a) from t group by b").fetchall())
except ImportError:
    print("no sqlite")
a = time.monotonic(); time.sleep(0.01); print(0.01 <= time.monotonic() - a < 1)
r, w = os.pipe(); os.write(w, b"pipe"); print(os.read(r, 10))
try: open("/none/x")
except OSError as e: print(e)
try: os.fork() if False else None
except OSError as e: print(e)
print(struct.unpack("<IH", b"\1\2\3\4\5\6"), collections.Counter("mississippi").most_common(2))
sys.exit(9)
