package indexer

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fill publishes n packages, ten builds a name, with records of some 500 bytes.
func fill(src *fakeSource, n int) {
	rng := rand.New(rand.NewPCG(1, 2))
	batch := make([]Record, 0, n)
	for i := range n {
		name := fmt.Sprintf("package-%c%c-%05d", 'a'+rng.IntN(26), 'a'+i/10%26, i/10)
		if i%10 > 0 {
			name = batch[len(batch)-1].Name
		}
		batch = append(batch, rec(name, fmt.Sprintf("1.%d.0", i%10), extConda, strconv.Itoa(i),
			"python >=3.9,<3.10.0a0", "numpy >=1.21", fmt.Sprintf("lib%d >=2", rng.IntN(900)), "python_abi 3.9.* *_cp39"))
	}
	src.put("linux-64", batch...)
}

// phases adds up what Observe is told.
type phases struct {
	mu    sync.Mutex
	total map[string]time.Duration
}

func (p *phases) observe(name string, d time.Duration) {
	p.mu.Lock()
	p.total[name] += d
	p.mu.Unlock()
}

// BenchmarkUpdate is one package published into a channel of so many.
func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{1_000, 50_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			src := newFake()
			fill(src, n)
			p := &phases{total: map[string]time.Duration{}}
			s := openSet(b, src, Options{Dir: b.TempDir(), Observe: p.observe})
			clear(p.total)
			names := src.names("linux-64")
			rng := rand.New(rand.NewPCG(3, 4))
			b.ReportAllocs()
			b.ResetTimer()
			cpu := cpuTime()
			for i := range b.N {
				r := rec(names[rng.IntN(len(names))], fmt.Sprintf("2.%d", i), extConda, "")
				rev := src.put("linux-64", r)
				if err := s.Update(ctx, "team", "linux-64", []string{r.Name}, rev); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
			for name, d := range p.total {
				b.ReportMetric(float64(d.Microseconds())/float64(b.N), strings.ReplaceAll(name, " ", "-")+"-µs/op")
			}
			g := (*(*s.channels.Load())["team"].subdirs.Load())["linux-64"].gen.Load()
			b.ReportMetric(float64(len(g.segs)), "segments")
		})
	}
}

// BenchmarkRebuild reads and encodes 50,000 packages from nothing.
func BenchmarkRebuild(b *testing.B) {
	src := newFake()
	fill(src, 50_000)
	s := openSet(b, src, Options{})
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if err := s.Rebuild(ctx, "team", "linux-64"); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	for _, file := range []string{"repodata.json", "repodata.json.zst", "repodata_shards.msgpack.zst", "run_exports.json.zst"} {
		f, _ := s.File("team", "linux-64", file)
		b.ReportMetric(float64(f.Size())/1e6, file+"-MB")
	}
}

// BenchmarkOpenFromCache opens a channel of 100,000 packages after a restart.
func BenchmarkOpenFromCache(b *testing.B) {
	src := newFake()
	fill(src, 100_000)
	dir := b.TempDir()
	if err := openSet(b, src, Options{Dir: dir}).Close(); err != nil {
		b.Fatal(err)
	}
	debug.FreeOSMemory()
	before := heap()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		s := New(src, Options{Dir: dir})
		if err := s.OpenChannel(ctx, "team", []string{"linux-64"}); err != nil {
			b.Fatal(err)
		}
		if f, ok := s.File("team", "linux-64", "repodata.json"); !ok || f.Size() == 0 {
			b.Fatal("nothing is served")
		}
		b.StopTimer()
		if i == 0 {
			runtime.GC()
			b.ReportMetric(float64(heap()-before)/(1<<20), "live-MiB")
		}
		_ = s.Close()
		b.StartTimer()
	}
}

// cpuTime is the processor time of the process, which busy neighbours disturb less
// than the clock's.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func heap() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkRead is repodata.json of 100,000 packages and its compressed form.
func BenchmarkRead(b *testing.B) {
	src := newFake()
	fill(src, 100_000)
	s := openSet(b, src, Options{})
	for _, file := range []string{"repodata.json", "repodata.json.zst", "current_repodata.json", "repodata_shards.msgpack.zst"} {
		b.Run(file, func(b *testing.B) {
			f, _ := s.File("team", "linux-64", file)
			b.SetBytes(f.Size())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.WriteTo(io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFirstRead is what the first reader of a new generation of 100,000
// packages pays.
func BenchmarkFirstRead(b *testing.B) {
	src := newFake()
	fill(src, 100_000)
	s := openSet(b, src, Options{})
	for file := range fileNames {
		b.Run(file, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				r := rec("aa", "1.0", extConda, strconv.Itoa(b.N+os.Getpid()))
				rev := src.put("linux-64", r)
				update(b, s, "linux-64", rev, r.Name)
				b.StartTimer()
				if _, ok := s.File("team", "linux-64", file); !ok {
					b.Fatal("not served")
				}
			}
		})
	}
	b.Run("channeldata.json", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			update(b, s, "linux-64", src.put("linux-64", rec("aa", "1.0", extConda, "")), "aa")
			b.StartTimer()
			if _, ok := s.File("team", "", "channeldata.json"); !ok {
				b.Fatal("not served")
			}
		}
	})
}

func BenchmarkShard(b *testing.B) {
	src := newFake()
	fill(src, 100_000)
	s := openSet(b, src, Options{})
	var file string
	g := (*(*s.channels.Load())["team"].subdirs.Load())["linux-64"].gen.Load()
	g.each(func(e *nameEntry) { file = fmt.Sprintf("shards/%x.msgpack.zst", e.shard.hash) })
	b.ReportAllocs()
	for b.Loop() {
		f, ok := s.File("team", "linux-64", file)
		if !ok {
			b.Fatal("not served")
		}
		_, _ = f.WriteTo(io.Discard)
	}
}
