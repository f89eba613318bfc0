# more of the standard library: asyncio, processes' own limits, sqlite on disk, big data, pickle, mmap, select, signals, csv, datetime, lzma ...
import asyncio, base64, bisect, bz2, concurrent.futures, contextlib, copy, csv, ctypes, datetime, enum, errno, fcntl, fractions, functools, gc, glob, gzip, heapq, io, itertools, json, locale, lzma, mmap, multiprocessing.dummy, operator, os, pathlib, pickle, platform, resource, sched, select, shutil, signal, sqlite3, stat, statistics, string, struct, subprocess, sys, tarfile, tempfile, textwrap, threading, time, traceback, types, unicodedata, uuid, weakref, zipfile, array
work = pathlib.Path.cwd() / "py.d"; work.mkdir()
os.chdir(work)
data = {i: ("v" * (i % 50), [i] * 3) for i in range(50000)}
with open("p", "wb") as f: pickle.dump(data, f, 5)
with open("p", "rb") as f: print(pickle.load(f) == data, os.path.getsize("p"))
for m in (gzip, bz2, lzma):
    with m.open("z", "wb") as f: f.write(b"some bytes " * 100000)
    print(m.__name__, len(m.open("z").read()))
db = sqlite3.connect("db"); db.execute("pragma journal_mode=wal").fetchall(); db.execute("create table t(a integer primary key, b)")
with db: db.executemany("insert into t(b) values(?)", ((os.urandom(0) + str(i).encode(),) for i in range(20000)))
print(db.execute("select count(*), max(length(b)) from t").fetchone(), sorted(os.listdir()))
db2 = sqlite3.connect("db", timeout=0.05); print(db2.execute("select count(*) from t").fetchone()); db.execute("begin immediate"); 
try: db2.execute("begin immediate")
except sqlite3.OperationalError as e: print(e)
db.rollback(); db2.close(); db.close(); print(sorted(os.listdir()))
async def pinger(q, n):
    for i in range(n): await q.put(i); await asyncio.sleep(0)
    await q.put(None)
async def main():
    q = asyncio.Queue(3); t = asyncio.create_task(pinger(q, 20)); got = []
    while (x := await q.get()) is not None: got.append(x)
    await t; print(sum(got))
    try: await asyncio.wait_for(asyncio.sleep(5), 0.02)
    except asyncio.TimeoutError: print("timeout")
    print(await asyncio.gather(*(asyncio.to_thread(lambda i=i: i * i) for i in range(5))))
    loop = asyncio.get_running_loop(); ev = asyncio.Event(); loop.add_signal_handler(signal.SIGUSR1, ev.set); os.kill(os.getpid(), signal.SIGUSR1); await asyncio.wait_for(ev.wait(), 5); print("signal in the loop")
    r, w = os.pipe(); fut = loop.create_future(); loop.add_reader(r, lambda: fut.set_result(os.read(r, 100))); loop.call_later(0.01, os.write, w, b"late"); print(await fut); loop.remove_reader(r)
try: asyncio.run(main())
except OSError as e: print("asyncio:", e)
with concurrent.futures.ThreadPoolExecutor(8) as ex: print(sum(ex.map(lambda n: sum(range(n)), range(500))))
with open("m", "wb+") as f:
    f.truncate(100000); mm = mmap.mmap(f.fileno(), 0); mm[5000:5005] = b"hello"; mm.flush(); f.seek(5000); print(f.read(5)); os.pwrite(f.fileno(), b"HELLO", 5000); print(mm[5000:5005]); mm.resize(200000); print(len(mm), os.fstat(f.fileno()).st_size); mm.close()
mm = mmap.mmap(-1, 1 << 20); mm[:4] = b"anon"; print(mm[:6]); mm.close()
def hand(n, f): print("signal", n); raise KeyboardInterrupt
signal.signal(signal.SIGALRM, hand); signal.setitimer(signal.ITIMER_REAL, 0.02)
try: time.sleep(5)
except KeyboardInterrupt: print("interrupted")
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]); os.kill(os.getpid(), signal.SIGUSR2); print(signal.sigpending(), signal.sigwait([signal.SIGUSR2])); 
os.mkfifo("fifo"); print(stat.S_ISFIFO(os.stat("fifo").st_mode)); th = threading.Thread(target=lambda: open("fifo", "w").write("through a fifo")); th.start(); print(open("fifo").read()); th.join()
ep = select.epoll(); r, w = os.pipe(); ep.register(r, select.EPOLLIN); print(ep.poll(0)); os.write(w, b"x"); print([e for _, e in ep.poll(1)]); print(select.select([r], [w], [], 0)[0] == [r], len(select.poll().poll(1)))
pathlib.Path("t/a/b").mkdir(parents=True); pathlib.Path("t/a/f").write_text("x" * 10); shutil.copytree("t", "u"); shutil.move("u", "v"); print(sorted(glob.glob("v/**", recursive=True))); os.link("t/a/f", "hard"); print(os.stat("hard").st_nlink, os.path.samefile("hard", "t/a/f")); os.unlink("t/a/f"); print(open("hard").read(), os.stat("hard").st_nlink)
with tarfile.open("a.tar.gz", "w:gz") as t: t.add("v")
with zipfile.ZipFile("a.zip", "w", zipfile.ZIP_DEFLATED) as z: z.writestr("one", "1" * 1000)
print(tarfile.open("a.tar.gz").getnames(), zipfile.ZipFile("a.zip").read("one")[:5]); shutil.rmtree("v"); shutil.rmtree("t")
os.setxattr("hard", "user.k", b"v") if hasattr(os, "setxattr") and os.environ.get("XATTR") else None
print(os.get_inheritable(r), resource.getrlimit(resource.RLIMIT_STACK)[0] > 0, fcntl.fcntl(r, fcntl.F_GETFD), [hex(x) for x in array.array("i", [1, -2])])
try: subprocess.run(["true"], check=True)
except OSError as e: print("subprocess:", errno.errorcode[e.errno]) if os.environ.get("SUB") else None
print(datetime.datetime.fromtimestamp(0, datetime.timezone.utc).isoformat(), fractions.Fraction(1, 3) + 1, statistics.stdev(range(100)), uuid.uuid5(uuid.NAMESPACE_DNS, "a"), unicodedata.name("€"), locale.getlocale()[1])
lib = ctypes.CDLL(None); print(lib.strlen(b"four"), ctypes.sizeof(ctypes.c_long)); cb = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))(lambda a, b: a[0] - b[0]); ar = (ctypes.c_int * 5)(5, 3, 1, 4, 2); lib.qsort(ar, 5, 4, cb); print(list(ar))
def deep(n): return 0 if n == 0 else 1 + deep(n - 1)
sys.setrecursionlimit(20000); threading.stack_size(256 << 20); res = []; th = threading.Thread(target=lambda: res.append(deep(15000))); th.start(); th.join(); print(res)
big = bytearray(64 << 20); big[::4096] = b"x" * len(big[::4096]); print(big.count(b"x"), sum(len(x) for x in [b"y" * 1000000 for _ in range(50)])); del big
lk = threading.Lock(); bar = threading.Barrier(5); out = []
def f(i):
    bar.wait(); 
    with lk: out.append(i)
ts = [threading.Thread(target=f, args=(i,)) for i in range(5)]; [t.start() for t in ts]; [t.join() for t in ts]; print(sorted(out)); t = threading.Timer(0.01, lambda: print("timer")); t.start(); t.join()
e = os.eventfd(0, os.EFD_NONBLOCK) if hasattr(os, "eventfd") else None; fd = os.memfd_create("mem"); os.write(fd, b"memory"); print(os.pread(fd, 6, 0), os.fstat(fd).st_size)
print(os.sched_getaffinity(0) != set(), os.cpu_count() > 0, os.getloadavg()[0] >= 0, os.statvfs(".").f_bsize > 0, os.get_terminal_size.__name__, platform.system(), len(os.getgroups()) >= 0, os.getpriority(os.PRIO_PROCESS, 0) == os.nice(0), os.umask(0o22) >= 0, time.get_clock_info("monotonic").resolution)
os.chdir(".."); shutil.rmtree("py.d"); gc.collect(); print(work.exists()); sys.exit(12)
