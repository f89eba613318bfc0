# About a second of what programs compute: calls, numbers, text, tables.
import json
import re


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def queens(n, row=0, columns=0, left=0, right=0):
    if row == n:
        return 1
    count, free = 0, ~(columns | left | right) & ((1 << n) - 1)
    while free:
        bit = free & -free
        free ^= bit
        count += queens(n, row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1)
    return count


words = {}
for i in range(4):
    text = " ".join(f"word{i * 7919 % 1000} {i}" for i in range(60000))
    for word in re.findall(r"[a-z]+\d+", text):
        words[word] = words.get(word, 0) + 1
print(fib(33), queens(11), sum(words.values()), len(json.dumps(sorted(words.items()))), sum(i * i % 7 for i in range(3000000)))
