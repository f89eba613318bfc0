#!/usr/bin/python3
"""Servers and clients over the network, under `goblin run` and natively: what clients on this machine see must be the same.
usage: servers.py GOBLIN    prints "ok NAME", "FAILED NAME: why" or "skipped NAME: why" for each"""
import contextlib, os, pathlib, shutil, signal, socket, subprocess, sys, tempfile, time, urllib.error, urllib.request

goblin = sys.argv[1]
work = pathlib.Path(tempfile.mkdtemp())
python = "/usr/bin/python3"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def running(command):
    p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=work)
    try:
        yield p
    finally:
        p.send_signal(signal.SIGTERM)
        try:
            p.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            p.kill()
            p.communicate()
            raise AssertionError("it did not end at SIGTERM")


def patiently(what, seconds=10):
    end = time.monotonic() + seconds
    while True:
        try:
            return what()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def exchange(port, data):
    """Sends, ends its side, and returns all that comes back."""
    with connect(port) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: s.recv(65536), b""))


def receive(s, n):
    """n bytes, or what there is before the end."""
    data = b""
    while len(data) < n and (part := s.recv(n - len(data))):
        data += part
    return data


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as r:
        return r.status, r.headers.get("Content-Type"), r.read()


def both(command, use, udp=False, options=()):
    """What `use` sees of the server at its port: natively, and as a guest's published one. command(port) is the server's."""
    results = []
    for guest in (False, True):
        port = free_port()
        full = [goblin, "run", *options, "-p", f"127.0.0.1:{port}:7777{'/udp' if udp else ''}", *command(7777)] if guest else command(port)
        with running(full):
            results.append(patiently(lambda: use(port)))
    assert results[0] == results[1], f"native {str(results[0])[:300]}, guest {str(results[1])[:300]}"


# --- the tests ---------------------------------------------------------------------------------------------------------
def http_server():
    site = work / "site"
    site.mkdir()
    (site / "page.html").write_text("<p>hello</p>" * 100)
    (site / "big").write_bytes(os.urandom(3_000_000))

    def use(port):
        seen = [get(port, "/page.html"), get(port, "/big"), get(port, "/")]
        try:
            get(port, "/none")
        except urllib.error.HTTPError as e:
            seen.append(e.code)
        return seen + [get(port, "/page.html") for _ in range(20)]
    both(lambda port: [python, "-m", "http.server", "-d", str(site), str(port)], use)


def redis():
    def talk(port):
        ask = (b"SET greeting hello\r\nGET greeting\r\nINCR n\r\nINCR n\r\nLPUSH l a b c\r\nLRANGE l 0 -1\r\n*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$200000\r\n" + b"x" * 200000 +
               b"\r\nSTRLEN big\r\nGET big\r\nFLUSHALL\r\n")
        answers = []
        for question in [ask] + [b"PING again\r\n"] * 10:
            with connect(port) as s:
                s.sendall(question + b"ECHO the-end\r\n")
                data = b""
                while not data.endswith(b"the-end\r\n"):
                    data += s.recv(65536)
                answers.append(data)
        return answers
    both(lambda port: ["redis-server", "--port", str(port), "--save", "", "--protected-mode", "no", "--dir", str(work)], talk)


def nginx():
    root = work / "html"
    root.mkdir()
    (root / "page.html").write_text("<p>static</p>" * 50)
    (root / "big").write_bytes(os.urandom(2_000_000))

    def command(port):
        conf = work / f"nginx-{port}.conf"
        temps = "".join(f"{k}_temp_path /tmp/goblin-test-{os.getpid()}-{k};" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf.write_text(f"""daemon off; master_process off; pid /tmp/goblin-test-{os.getpid()}.pid; error_log stderr;
            events {{}} http {{ access_log off; {temps} types {{ text/html html; }} sendfile on;
            server {{ listen {port}; root {root}; location = /hello {{ return 200 "hi\\n"; }} }} }}""")
        return ["nginx", "-c", str(conf)]
    both(command, lambda port: [get(port, p) for p in ("/page.html", "/big", "/hello", "/page.html")])


def echo_tcp():
    """Halves of a connection end one by one, and a slow reader is waited for."""
    code = r"""
import socket, sys
l = socket.create_server(("", int(sys.argv[1])))
while True:
    c, _ = l.accept()
    with c:
        while data := c.recv(100000):
            c.sendall(data)
        c.sendall(b"end")
"""
    def use(port):
        data = bytes(range(256)) * 4000
        with connect(port) as s:
            s.sendall(b"first")
            first = receive(s, 5)
            s.sendall(data[:200000])
            time.sleep(0.2)
            rest = receive(s, 200000)
            s.shutdown(socket.SHUT_WR)
            end = receive(s, 10)
        return first, rest == data[:200000], end, exchange(port, b"") == b"end"
    both(lambda port: [python, "-c", code, str(port)], use)


def asyncio_many():
    code = r"""
import asyncio, sys
async def serve(r, w):
    n = int(await r.readline())
    for i in range(n):
        w.write(b"%d\n" % i * 100)
        await w.drain()
    w.close()
async def main():
    async with await asyncio.start_server(serve, "0.0.0.0", int(sys.argv[1])) as s:
        await s.serve_forever()
asyncio.run(main())
"""
    def use(port):
        all_of_them = [connect(port) for _ in range(100)]
        for i, s in enumerate(all_of_them):
            s.sendall(b"%d\n" % i)
        lengths = []
        for s in all_of_them:
            lengths.append(sum(map(len, iter(lambda: s.recv(65536), b""))))
            s.close()
        return lengths
    both(lambda port: [python, "-c", code, str(port)], use)


def echo_udp():
    code = r"""
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", int(sys.argv[1])))
while True:
    data, who = s.recvfrom(65536)
    s.sendto(data[::-1], who)
"""
    def use(port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.3)
            seen = []
            for m in (b"hello", b"", b"x" * 60000, b"end"):
                s.sendto(m, ("127.0.0.1", port))
                seen.append(s.recv(65536))
            return seen
    both(lambda port: [python, "-c", code, str(port)], use, udp=True)


CLIENT = r"""
import socket, sys, urllib.request
port = int(sys.argv[1])
def say(what):
    try:
        print(what())
    except OSError as e:
        print(e.strerror or e)
say(lambda: len(urllib.request.urlopen(f"http://127.0.0.1:{port}/big", timeout=5).read()))
say(lambda: socket.create_connection(("127.0.0.1", 1), timeout=5))
s = socket.socket()
s.setblocking(False)
print(s.connect_ex(("127.0.0.1", port)))
import select
print(select.select([], [s], [], 5)[1] == [s], s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), s.getpeername() == ("127.0.0.1", port))
"""


def client_host():
    """A guest with the host's network sees what a native program sees; one without reaches nothing."""
    port = free_port()
    (work / "big").write_bytes(b"z" * 1_000_000)
    with running([python, "-m", "http.server", "-b", "127.0.0.1", "-d", str(work), str(port)]):
        patiently(lambda: connect(port).close())
        native = subprocess.run([python, "-c", CLIENT, str(port)], capture_output=True, text=True).stdout
        guest = subprocess.run([goblin, "run", "--net", "host", python, "-c", CLIENT, str(port)], capture_output=True, text=True).stdout
        assert native == guest, f"native {native}, guest {guest}"
        for net in ("none", "out"):
            alone = subprocess.run([goblin, "run", "--net", net, python, "-c", CLIENT, str(port)], capture_output=True, text=True).stdout
            assert alone.startswith("<urlopen error [Errno 111] Connection refused>\nConnection refused\n"), f"--net {net}: {alone}"


def loopback_stays_inside():
    """What a guest listens on without -p is its own: the host finds nobody there, and the guest nobody of the host's."""
    code = """
import socket, sys
l = socket.create_server(("127.0.0.1", int(sys.argv[1])))
c = socket.create_connection(l.getsockname())
print("inside", c.getpeername() == l.getsockname(), flush=True)
sys.stdin.read()
"""
    port = free_port()
    p = subprocess.Popen([goblin, "run", python, "-c", code, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"inside True\n"
    try:
        connect(port)
        raise AssertionError("the host reached it")
    except ConnectionRefusedError:
        pass
    finally:
        p.communicate(b"")


def published_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
        r = subprocess.run([goblin, "run", "-p", f"127.0.0.1:{port}:80", "/bin/true"], capture_output=True, text=True)
    assert r.returncode == 125 and f"cannot publish port 127.0.0.1:{port}/tcp: Address in use" in r.stderr, r.stderr


def port_closed_until_listened():
    """A published port answers only while the guest listens, and again when it listens again."""
    code = """
import socket, sys
for word in sys.stdin:
    l = socket.create_server(("", 7777), backlog=5)
    print("up", flush=True)
    c, _ = l.accept()
    c.sendall(word.encode())
    c.close()
    l.close()
    print("down", flush=True)
"""
    port = free_port()
    p = subprocess.Popen([goblin, "run", "-p", f"127.0.0.1:{port}:7777", python, "-u", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        for word in (b"one\n", b"two\n"):
            try:
                connect(port)
                raise AssertionError("nobody listens yet")
            except ConnectionRefusedError:
                pass
            p.stdin.write(word)
            p.stdin.flush()
            assert p.stdout.readline() == b"up\n"
            with connect(port) as s:
                assert s.recv(10) == word
            assert p.stdout.readline() == b"down\n"
    finally:
        p.communicate(b"")


def last_words():
    """What a guest has sent before its end arrives."""
    code = "import socket; s = socket.create_server(('', 7777)); c, _ = s.accept(); c.sendall(b'w' * 5000000)"
    port = free_port()
    with running([goblin, "run", "-p", f"127.0.0.1:{port}:7777", python, "-c", code]):
        with patiently(lambda: connect(port)) as s:
            time.sleep(0.5)
            assert sum(map(len, iter(lambda: s.recv(65536), b""))) == 5000000


tests = [http_server, redis, nginx, echo_tcp, asyncio_many, echo_udp, client_host, loopback_stays_inside, published_port_in_use,
         port_closed_until_listened, last_words]
needs = {redis: "redis-server", nginx: "nginx"}
for t in tests:
    if t in needs and not shutil.which(needs[t], path=os.environ["PATH"] + ":/usr/sbin"):
        print(f"skipped {t.__name__}: {needs[t]} is not installed")
        continue
    try:
        t()
        print(f"ok {t.__name__}", flush=True)
    except Exception as e:
        print(f"FAILED {t.__name__}: {type(e).__name__} {e}", flush=True)
shutil.rmtree(work)
