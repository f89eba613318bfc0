-- tables, strings, closures, coroutines, files: what a Lua program does
local t = {}
for i = 1, 200000 do t[i] = (i * 7919) % 10007 end
table.sort(t)
local sum = 0
for i, v in ipairs(t) do sum = (sum + i * v) % 1000000007 end
print("sum", sum)
local words = {}
for w in ("the quick brown fox jumps over the lazy dog "):rep(1000):gmatch("%a+") do words[w] = (words[w] or 0) + 1 end
local names = {}
for w in pairs(words) do names[#names + 1] = w end
table.sort(names)
for _, w in ipairs(names) do io.write(w, "=", words[w], " ") end
print()
local co = coroutine.wrap(function() for i = 1, 5 do coroutine.yield(i * i) end end)
print(co(), co(), co(), co(), co())
local f = assert(io.open("x.txt", "w"))
for i = 1, 1000 do f:write(i, "\n") end
f:close()
local n = 0
for line in io.lines("x.txt") do n = n + tonumber(line) end
print(n, os.remove("x.txt"), io.open("x.txt"))
print(pcall(error, { code = 2 }), select("#", ...), (...))
print(string.format("%.10f %5d %q", math.pi, 42, "a\nb"))
os.exit(4)
