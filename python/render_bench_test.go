package python

import (
	"fmt"
	"io"
	"net/url"
	"testing"
)

func BenchmarkRender(b *testing.B) {
	for _, n := range []int{50, 3000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Render(largePage(n))
			}
			r := Render(largePage(n))
			b.ReportMetric(float64(r.Size(JSON, Identity)), "json-bytes")
			b.ReportMetric(float64(r.Size(JSON, Gzip)), "gzip-bytes")
			b.ReportMetric(float64(r.Size(JSON, Zstd)), "zstd-bytes")
			b.ReportMetric(float64(r.Memory()), "memory-bytes")
		})
	}
}

// One file is added to a page of n, somewhere in it.
func BenchmarkWith(b *testing.B) {
	for _, n := range []int{50, 3000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := Render(largePage(n))
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				f := numberedFile(i * 7 % n)
				f.Filename = fmt.Sprintf("ours-%d.%d.%d.post%d.tar.gz", i*7%n/600, i*7%n/20%30, i*7%n/4%5, i)
				r.With(Update{Put: []File{f}})
				i++
			}
		})
	}
}

// What an answer costs beside the network.
func BenchmarkWriteTo(b *testing.B) {
	r := Render(largePage(3000))
	for _, e := range encodings {
		b.Run("3000/"+e.String(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(r.Size(JSON, e))
			for b.Loop() {
				r.WriteTo(io.Discard, JSON, e)
			}
		})
	}
}

func BenchmarkParsePage(b *testing.B) {
	r := Render(largePage(3000))
	base := &url.URL{Scheme: "https", Host: "index.example", Path: "/simple/ours/"}
	for _, m := range []MediaType{JSON, HTML} {
		body := form(b, r, m, Identity)
		b.Run(fmt.Sprint("3000/", m), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if p, err := ParsePage(m, body, "ours", base, PageLimits{}); err != nil || len(p.Files) != 3000 {
					b.Fatal(err)
				}
			}
		})
	}
}
