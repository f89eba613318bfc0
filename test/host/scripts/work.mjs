// Node.js: JIT, worker threads, promises of files, timers, streams, crypto, zlib, buffers, events, BigInt, URL, errors, WebAssembly.
import {createHash, randomBytes} from "node:crypto";
import {EventEmitter, once} from "node:events";
import {
    createReadStream,
    createWriteStream,
    mkdirSync,
    promises as fs,
    readFileSync,
    renameSync,
    rmSync,
    statSync,
    writeFileSync
} from "node:fs";
import os from "node:os";
import path from "node:path";
import {pipeline} from "node:stream/promises";
import {setTimeout as wait} from "node:timers/promises";
import {fileURLToPath} from "node:url";
import {promisify} from "node:util";
import {isMainThread, parentPort, Worker, workerData} from "node:worker_threads";
import zlib from "node:zlib";

if (!isMainThread) {
    let s = 0;
    for (let i = 0; i < workerData * 1000000; i++)
        s = (s * 31 + i) | 0;
    parentPort.postMessage(s);
    parentPort.once("message", m => {
        parentPort.postMessage(m.toUpperCase());
        parentPort.close();
    });
} else {
    const dir = path.join(process.cwd(), "node.d");
    mkdirSync(dir);
    const file = path.join(dir, "data");
    let text = "";
    for (let i = 0; i < 20000; i++)
        text += i + "\t" + i * i + "\n";
    await fs.writeFile(file, text);
    const back = await fs.readFile(file, "utf8");
    console.log(back.length, createHash("sha256").update(back).digest("hex"), statSync(file).size);
    await pipeline(createReadStream(file), zlib.createGzip(), createWriteStream(file + ".gz"));
    await pipeline(createReadStream(file + ".gz"), zlib.createGunzip(), createWriteStream(file + ".back"));
    console.log((await fs.readFile(file + ".back", "utf8")) === text);
    const h = await fs.open(file, "r+");
    await h.write("XYZ", 4);
    const b = Buffer.alloc(12);
    await h.read(b, 0, 12, 0);
    console.log(b.toString("latin1"));
    await h.truncate(9);
    await h.sync();
    await h.close();
    console.log((await fs.stat(file)).size);
    renameSync(dir, dir + ".moved");
    console.log((await fs.readdir(dir + ".moved")).sort());
    rmSync(dir + ".moved", {recursive : true});
    try {
        await fs.stat(dir);
    } catch (e) {
        console.log(e.code);
    }
    const ws = [ 1, 2, 3 ].map(n => new Worker(fileURLToPath(import.meta.url), {workerData : n}));
    const firsts = ws.map(w => once(w, "message")), exits = ws.map(w => once(w, "exit"));
    for (const [i, w] of ws.entries()) {
        const [s] = await firsts[i], second = once(w, "message");
        w.postMessage("hello");
        const [t] = await second;
        console.log(s, t);
        await exits[i];
    }
    const order = [];
    process.nextTick(() => order.push("tick"));
    Promise.resolve().then(() => order.push("micro"));
    setImmediate(() => order.push("immediate"));
    await wait(20);
    console.log(order.join());
    let n = 0;
    await new Promise(r => {
        const t = setInterval(() => {
            if (++n == 5) {
                clearInterval(t);
                r();
            }
        }, 2);
    });
    console.log("interval", n);
    function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
    console.log(fib(27));
    console.log(2n ** 200n, [..."a1b22".matchAll(/\d+/g) ].map(m => m[0]), new URL("http://a:8/b?c=d").searchParams.get("c"));
    const wasm = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([
        0, 97, 115, 109, 1,  0,   0,   0, 1, 7,  1, 96, 2, 127, 127, 1, 127, 3, 2,   1, 0,
        7, 7,  1,   3,   97, 100, 100, 0, 0, 10, 9, 1,  7, 0,   32,  0, 32,  1, 106, 11
    ])));
    console.log(wasm.exports.add(40, 2));
    const sab = new Int32Array(new SharedArrayBuffer(8));
    Atomics.add(sab, 0, 5);
    console.log(Atomics.load(sab, 0), Atomics.wait(sab, 0, 5, 10));
    console.log(JSON.stringify({a : [ 1, 2.5, null ], b : new Map([ [ 1, 2 ] ]).size}), randomBytes(8).length, typeof os.totalmem(),
                process.memoryUsage().rss > 0, process.hrtime.bigint() > 0n);
    const big = Array.from({length : 300000}, (_, i) => ({i, s : "x" + i}));
    big.sort((a, b) => b.i - a.i);
    console.log(big[0].s, big.length);
    try {
        (function f() { f(); })();
    } catch (e) {
        console.log(e instanceof RangeError);
    }
    process.on("SIGUSR2", () => {
        console.log("usr2");
        process.exitCode = 7;
    });
    process.kill(process.pid, "SIGUSR2");
    await wait(30);
    const k = await promisify((await import("node:crypto")).scrypt)("pw", "salt", 32);
    console.log(k.toString("hex"));
}
