# gawk: files, arrays, patterns, numbers
BEGIN {
    for (i = 0; i < 20000; i++) print i, i * i > "awk.data";
    close("awk.data");
    while ((getline l < "awk.data") > 0) { split(l, f, " "); s += f[2]; c[length(f[1])]++ } print s;
    n = asorti(c, k); for (i = 1; i <= n; i++) print k[i], c[k[i]]
    printf "%.8f %s %d\n", atan2(1, 1) * 4, toupper(substr("abcdef", 2, 3)), index("hello", "l");
    t = "a1b22c333"; gsub(/[0-9]+/, "<&>", t); print t;
    print strftime("%Y", 0, 1), match("foobar", /o+/), RSTART, RLENGTH;
    exit 8
}
