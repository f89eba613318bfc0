-- Makes a template of Lua. `lua template.lua MODULE...` requires the modules and says that it is ready (docs/template.md); each clone goes on as
-- `lua ARGUMENT...` would with the clone's own arguments: -e CHUNK, a script, or - and nothing for standard input.
for _, name in ipairs(arg) do
    _G[name] = require(name)
end
collectgarbage()

local file = assert(io.open("/dev/template", "rb"))
local words = {}
for word in file:read("a"):gmatch("(%Z*)%z") do
    words[#words + 1] = word
end
file:close()
if #words == 0 then
    io.stderr:write("template.lua: this guest is not to become a template; its boot entry says `template yes` if it is\n")
    os.exit(1)
end
local random = assert(io.open("/dev/urandom", "rb"))
random:setvbuf("no")
math.randomseed(string.unpack("jj", random:read(16)))
random:close()

local first, chunk, why = words[2] or "-", nil, nil
local from = 3
if first == "-e" then
    chunk, why = load(words[3] or "", "=(command line)")
    from = 4
elseif first == "-" then
    chunk, why = loadfile()
elseif first:sub(1, 1) == "-" then
    why = first .. ": this option cannot be given to a clone"
else
    chunk, why = loadfile(first)
end
arg = { [0] = first, table.unpack(words, from) }
local ok = chunk ~= nil
if chunk then
    ok, why = xpcall(chunk, function(message) return debug.traceback(message, 2) end, table.unpack(arg))
end
if not ok then
    io.stderr:write("lua: ", tostring(why), "\n")
end
os.exit(ok, true)
