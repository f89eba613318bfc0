-- A web app. Its directory is /app, read-only; what shall stay is in /data.
local socket = require("socket")

local function visit()
    local file = io.open("/data/visits")
    local count = (file and file:read("n") or 0) + 1
    if file then file:close() end
    file = assert(io.open("/data/visits", "w"))
    file:write(count, "\n")
    file:close()
    return count
end

local function handle(method, path)
    if path ~= "/" then return "404 Not Found", "There is no " .. path .. " here.\n" end
    return "200 OK", "Hello from goblin. You are visitor " .. visit() .. ".\n"
end

local server = assert(socket.bind("0.0.0.0", 8080))
print("listening on port 8080")
io.stdout:flush()
while true do
    local client = server:accept()
    client:settimeout(10)
    local method, path = (client:receive() or ""):match("^(%u+) (%S+)")
    repeat local line = client:receive() until not line or line == ""
    if method then
        local status, body = handle(method, path)
        client:send("HTTP/1.1 " .. status .. "\r\nContent-Type: text/plain\r\nContent-Length: " .. #body ..
            "\r\nConnection: close\r\n\r\n" .. body)
    end
    client:close()
end
