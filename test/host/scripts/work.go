// Go: its own runtime: raw system calls, futexes, timers, SIGURG pre-emption, goroutines, GC.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	os.MkdirAll("go.d/a/b", 0755)
	f, _ := os.Create("go.d/data")
	w := bufio.NewWriter(f)
	for i := 0; i < 20000; i++ {
		fmt.Fprintf(w, "%d\t%d\n", i, i*i)
	}
	w.Flush()
	f.Close()
	b, _ := os.ReadFile("go.d/data")
	fmt.Printf("%d %x\n", len(b), sha256.Sum256(b))
	f, _ = os.OpenFile("go.d/data", os.O_RDWR, 0)
	f.WriteAt([]byte("XYZ"), 4)
	h := make([]byte, 12)
	f.ReadAt(h, 0)
	fmt.Printf("%q\n", h)
	f.Truncate(9)
	st, _ := f.Stat()
	fmt.Println(st.Size(), st.Mode())
	f.Sync()
	f.Close()
	os.Rename("go.d", "go.e")
	filepath.WalkDir("go.e", func(p string, d fs.DirEntry, e error) error { fmt.Println(p, d.IsDir()); return nil })
	os.RemoveAll("go.e")
	_, e := os.Stat("go.e")
	fmt.Println(errors.Is(e, fs.ErrNotExist), e)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var n int64
	m := map[int]int{}
	for g := 0; g < 200; g++ {
		wg.Add(1)
		go func(g int) {
			defer wg.Done()
			for i := 0; i < 100; i++ {
				atomic.AddInt64(&n, 1)
				mu.Lock()
				m[i%7]++
				mu.Unlock()
				if i%10 == 0 {
					runtime.Gosched()
				}
			}
		}(g)
	}
	wg.Wait()
	fmt.Println(n, m)
	stop := make(chan bool)
	var spun int64
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				spun++
			}
		}
	}()
	busy := int64(0)
	go func() {
		for {
			busy++
		}
	}() // only pre-emption gets it off the CPU
	time.Sleep(50 * time.Millisecond)
	stop <- true
	fmt.Println("pre-empted")
	tk := time.NewTicker(5 * time.Millisecond)
	for i := 0; i < 5; i++ {
		<-tk.C
	}
	tk.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	<-ctx.Done()
	cancel()
	fmt.Println(ctx.Err())
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	syscall.Kill(syscall.Getpid(), syscall.SIGUSR1)
	fmt.Println(<-c)
	func() { defer func() { fmt.Println("recovered:", recover()) }(); var p *int; fmt.Println(*p) }()
	func() {
		defer func() { fmt.Println("recovered:", recover()) }()
		var s []int
		fmt.Println(s[len(os.Args)])
	}()
	func() {
		defer func() { fmt.Println("recovered:", recover()) }()
		z := len(os.Args) - len(os.Args)
		fmt.Println(1 / z)
	}()
	r, wr, _ := os.Pipe()
	go func() { fmt.Fprint(wr, strings.Repeat("piped ", 20000)); wr.Close() }()
	all, _ := io.ReadAll(r)
	fmt.Println(len(all))
	big1 := new(big.Int).Exp(big.NewInt(7), big.NewInt(300), nil)
	fmt.Println(big1)
	j, _ := json.Marshal(map[string]any{"a": []any{1, 2.5, nil}, "b": "ü"})
	fmt.Println(string(j))
	var all2 [][]byte
	for i := 0; i < 200; i++ {
		all2 = append(all2, make([]byte, 1<<18))
		if i%20 == 0 {
			all2 = nil
		}
	}
	runtime.GC()
	debug.FreeOSMemory()
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	fmt.Println(ms.NumGC > 0, len(all2))
	var zb bytes.Buffer
	z := gzip.NewWriter(&zb)
	z.Write(b)
	z.Close()
	zr, _ := gzip.NewReader(&zb)
	back, _ := io.ReadAll(zr)
	fmt.Println(bytes.Equal(back, b))
	k := regexp.MustCompile(`\d+`).FindAllString("a1b22c333", -1)
	sort.Sort(sort.Reverse(sort.StringSlice(k)))
	fmt.Println(k, runtime.GOOS, runtime.NumGoroutine() > 1)
	var deep func(int) int
	deep = func(n int) int {
		if n == 0 {
			return 0
		}
		return deep(n-1) + 1
	}
	fmt.Println(deep(1000000))
	os.Exit(11)
}
