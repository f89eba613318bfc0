// A web app. Its directory is /app, read-only; what shall stay is in /data.
const fs = require("fs");
const http = require("http");

function visit() {
    let count = 1;
    try { count = parseInt(fs.readFileSync("/data/visits", "utf8")) + 1; } catch { /* the first one */ }
    fs.writeFileSync("/data/visits", `${count}\n`);
    return count;
}

http.createServer((request, response) => {
    if (request.url !== "/") {
        response.writeHead(404, { "Content-Type": "text/plain" });
        response.end(`There is no ${request.url} here.\n`);
        return;
    }
    response.writeHead(200, { "Content-Type": "text/plain" });
    response.end(`Hello from goblin. You are visitor ${visit()}.\n`);
}).listen(8080, "0.0.0.0", () => console.log("listening on port 8080"));
