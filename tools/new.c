/* goblin new: a working web app to begin with, a directory for `goblin run`. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "tools/app.h"
#include "tools/goblin.h"
#include "tools/language.h"

/* Each counts its visitors in /data/visits, a file that stays. */
static const char lua_main[] =
    "-- A web app. Its directory is /app, read-only; what shall stay is in /data.\n"
    "local socket = require(\"socket\")\n"
    "\n"
    "local function visit()\n"
    "    local file = io.open(\"/data/visits\")\n"
    "    local count = (file and file:read(\"n\") or 0) + 1\n"
    "    if file then file:close() end\n"
    "    file = assert(io.open(\"/data/visits\", \"w\"))\n"
    "    file:write(count, \"\\n\")\n"
    "    file:close()\n"
    "    return count\n"
    "end\n"
    "\n"
    "local function handle(method, path)\n"
    "    if path ~= \"/\" then return \"404 Not Found\", \"There is no \" .. path .. \" here.\\n\" end\n"
    "    return \"200 OK\", \"Hello from goblin. You are visitor \" .. visit() .. \".\\n\"\n"
    "end\n"
    "\n"
    "local server = assert(socket.bind(\"0.0.0.0\", 8080))\n"
    "print(\"listening on port 8080\")\n"
    "io.stdout:flush()\n"
    "while true do\n"
    "    local client = server:accept()\n"
    "    client:settimeout(10)\n"
    "    local method, path = (client:receive() or \"\"):match(\"^(%u+) (%S+)\")\n"
    "    repeat local line = client:receive() until not line or line == \"\"\n"
    "    if method then\n"
    "        local status, body = handle(method, path)\n"
    "        client:send(\"HTTP/1.1 \" .. status .. \"\\r\\nContent-Type: text/plain\\r\\nContent-Length: \" .. #body ..\n"
    "            \"\\r\\nConnection: close\\r\\n\\r\\n\" .. body)\n"
    "    end\n"
    "    client:close()\n"
    "end\n";
static const char python_main[] =
    "\"\"\"A web app. Its directory is /app, read-only; what shall stay is in /data.\"\"\"\n"
    "import pathlib\n"
    "from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer\n"
    "\n"
    "visits = pathlib.Path(\"/data/visits\")\n"
    "\n"
    "\n"
    "def visit():\n"
    "    count = int(visits.read_text()) + 1 if visits.exists() else 1\n"
    "    visits.write_text(f\"{count}\\n\")\n"
    "    return count\n"
    "\n"
    "\n"
    "class Handler(BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        if self.path != \"/\":\n"
    "            self.send_error(404)\n"
    "            return\n"
    "        body = f\"Hello from goblin. You are visitor {visit()}.\\n\".encode()\n"
    "        self.send_response(200)\n"
    "        self.send_header(\"Content-Type\", \"text/plain\")\n"
    "        self.send_header(\"Content-Length\", str(len(body)))\n"
    "        self.end_headers()\n"
    "        self.wfile.write(body)\n"
    "\n"
    "\n"
    "server = ThreadingHTTPServer((\"0.0.0.0\", 8080), Handler)\n"
    "print(\"listening on port 8080\", flush=True)\n"
    "server.serve_forever()\n";
static const char js_main[] =
    "// A web app. Its directory is /app, read-only; what shall stay is in /data.\n"
    "const fs = require(\"fs\");\n"
    "const http = require(\"http\");\n"
    "\n"
    "function visit() {\n"
    "    let count = 1;\n"
    "    try { count = parseInt(fs.readFileSync(\"/data/visits\", \"utf8\")) + 1; } catch { /* the first one */ }\n"
    "    fs.writeFileSync(\"/data/visits\", `${count}\\n`);\n"
    "    return count;\n"
    "}\n"
    "\n"
    "http.createServer((request, response) => {\n"
    "    if (request.url !== \"/\") {\n"
    "        response.writeHead(404, { \"Content-Type\": \"text/plain\" });\n"
    "        response.end(`There is no ${request.url} here.\\n`);\n"
    "        return;\n"
    "    }\n"
    "    response.writeHead(200, { \"Content-Type\": \"text/plain\" });\n"
    "    response.end(`Hello from goblin. You are visitor ${visit()}.\\n`);\n"
    "}).listen(8080, \"0.0.0.0\", () => console.log(\"listening on port 8080\"));\n";

static const struct {
    const char *language, *file, *text;
} apps[] = {
    { "lua", "main.lua", lua_main },
    { "python", "main.py", python_main },
    { "js", "main.js", js_main },
};

static bool text_write(const char *dir, const char *name, const char *text)
{
    char *path = text_of("%s/%s", dir, name);
    FILE *f = fopen(path, "wxe");
    bool ok = f && fputs(text, f) >= 0;

    ok = (!f || fclose(f) == 0) && ok;
    if (!ok)
        fail("cannot write %s: %m", path);
    free(path);
    return ok;
}

static int app_new(const char *dir, const struct language *l, const char *file, const char *text)
{
    char *packages = l->web[0] ? text_of("packages %s\n", l->web) : "";
    char *manifest = text_of("# How `goblin run %s` runs this app; `goblin help new` lists the keys.\n"
                             "language %s\n%s"
                             "command  %s\n"
                             "volume   data:/data\n"
                             "publish  8080:8080\n"
                             "memory   256M\n", dir, l->name, packages, file);

    if (mkdir(dir, 0755))
        return fail("cannot make the directory %s: %m", dir);
    if (mkdir(text_of("%s/data", dir), 0755))
        return fail("cannot make the directory %s/data: %m", dir);
    if (!text_write(dir, APP_MANIFEST, manifest) || !text_write(dir, file, text))
        return FAILED;
    printf("%s: a web app in %s. Run it with\n\n    goblin run %s\n\nand look at http://localhost:8080/\n", dir, l->name, dir);
    return 0;
}

static int new(int argc, char **argv)
{
    const struct language *l = argc == 3 ? language_of_command(argv[1]) : NULL;

    if (argc != 3)
        return usage_of(&verb_new);
    for (size_t i = 0; l && i < ARRAY_LEN(apps); i++)
        if (strcmp(apps[i].language, l->name) == 0)
            return app_new(argv[2], l, apps[i].file, apps[i].text);
    return fail("no app to begin with in %s; there are lua, python and js", argv[1]);
}

const struct verb verb_new = {
    .name = "new",
    .call = new,
    .usage = "new LANGUAGE NAME",
    .about = "begin a web app in a directory NAME",
    .help = "\n"
            "LANGUAGE is lua, python or js. The directory gets the app's program, a directory data for what shall stay, and goblin.app:\n"
            "  language NAME         whose image it runs in\n"
            "  packages NAME...      more Debian packages in that image\n"
            "  image FILE            an image of its own instead\n"
            "  command WORD...       what the language's program is given\n"
            "  volume HOST:AT[:ro]   a directory, relative to the app's\n"
            "  publish, memory, env, cpus, net, name   as the options of `goblin run`\n"
            "The app's directory is /app in the guest, read-only, and where it starts.\n",
};
