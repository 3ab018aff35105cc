package passthrough

import (
	"fmt"
	"io"
	"testing"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
	"github.com/fairwayhq/fairway/python"
)

func BenchmarkPageHot(b *testing.B) {
	for _, n := range []int{200, 3000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e := setup(b)
			e.up.Add("big", upstreamtest.Project("big", n, e.clock.now())...)
			e.page("big")
			b.ReportAllocs()
			for b.Loop() {
				p, err := e.Page(ctx, "big", Proxy)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := p.WriteTo(io.Discard, python.JSON, python.Gzip); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPageCold(b *testing.B) {
	for _, n := range []int{200, 3000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e := setup(b)
			e.up.Add("big", upstreamtest.Project("big", n, e.clock.now())...)
			b.ReportAllocs()
			for b.Loop() {
				e.page("big")
				if _, err := e.Purge("big"); err != nil {
					b.Fatal(err)
				}
				e.views.recent.Purge()
				e.memory.cache.Clear()
			}
		})
	}
}

// A page that is on disk and not in memory: read, parsed, rendered.
func BenchmarkPageFromDisk(b *testing.B) {
	for _, n := range []int{200, 3000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e := setup(b)
			e.up.Add("big", upstreamtest.Project("big", n, e.clock.now())...)
			e.page("big")
			b.ReportAllocs()
			for b.Loop() {
				e.views.recent.Purge()
				e.memory.cache.Clear()
				e.page("big")
			}
		})
	}
}

func BenchmarkFileCached(b *testing.B) {
	e := setup(b)
	_, at := e.store("lib", 20<<20)
	b.ReportAllocs()
	for b.Loop() {
		f, err := e.File(ctx, FileRequest{Upstream: "up", Path: at})
		if err != nil || f.Stored == nil {
			b.Fatal(err)
		}
		_ = f.Close()
	}
}

// The time to the first byte of a cold 20 MB wheel, and to its last.
func BenchmarkFileCold(b *testing.B) {
	for _, whole := range []bool{false, true} {
		b.Run(map[bool]string{false: "first byte", true: "whole"}[whole], func(b *testing.B) {
			e := setup(b)
			f, at := e.wheel("lib", "1.0", large(20<<20))
			e.page("lib")
			b.ReportAllocs()
			if whole {
				b.SetBytes(int64(len(f.Content)))
			}
			for b.Loop() {
				got, err := e.File(ctx, FileRequest{Upstream: "up", Path: at})
				if err != nil || got.Body == nil {
					b.Fatal(err)
				}
				if whole {
					_, err = io.Copy(io.Discard, got.Body)
				} else {
					_, err = got.Body.Read(make([]byte, 1))
				}
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				_ = got.Close()
				e.settled()
				e.files.drop("up/"+at, nil)
				b.StartTimer()
			}
		})
	}
}

func BenchmarkMetadataHot(b *testing.B) {
	e := setup(b)
	_, at := e.wheel("lib", "1.0")
	if _, err := e.Metadata(ctx, FileRequest{Upstream: "up", Path: at}); err != nil {
		b.Fatal(err)
	}
	e.memory.cache.Wait()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Metadata(ctx, FileRequest{Upstream: "up", Path: at}); err != nil {
			b.Fatal(err)
		}
	}
}
