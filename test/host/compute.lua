-- About a second of what programs compute: calls, numbers, text, tables.
local function fib(n)
    return n < 2 and n or fib(n - 1) + fib(n - 2)
end
local sieve, primes = {}, 0
for i = 2, 4000000 do
    if not sieve[i] then
        primes = primes + 1
        for k = i * i, 4000000, i do sieve[k] = true end
    end
end
local words, text = {}, {}
for i = 1, 300000 do text[i] = "word" .. i * 7919 % 1000 end
for word in table.concat(text, " "):gmatch("%a+%d+") do words[word] = (words[word] or 0) + 1 end
local names = {}
for name in pairs(words) do names[#names + 1] = name end
table.sort(names)
print(fib(35), primes, #names, names[1])
