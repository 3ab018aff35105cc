package blob

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// The limit of BenchmarkStage: SHA-256 and MD5 side by side over memory.
func BenchmarkHashLimit(b *testing.B) {
	data := randomBytes(1, 64<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		var both sync.WaitGroup
		both.Go(func() { sha256.Sum256(data) })
		both.Go(func() { md5.Sum(data) })
		both.Wait()
	}
}

func BenchmarkStage(b *testing.B) {
	for _, size := range []int{8 << 10, 1 << 20, 64 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			s := open(b, Options{})
			data := randomBytes(1, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				st, err := s.Stage(ctx, bytes.NewReader(data), StageOptions{})
				if err != nil {
					b.Fatal(err)
				}
				_ = st.Cancel()
			}
		})
	}
}

// Stage and Commit of 8 KiB from 1 and from 16 goroutines.
func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("%d writers", writers), func(b *testing.B) {
			s := open(b, Options{})
			b.ReportAllocs()
			var next atomic.Int64
			var all sync.WaitGroup
			for range writers {
				all.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						st, err := s.Stage(ctx, bytes.NewReader(randomBytes(uint64(i), 8<<10)), StageOptions{})
						if err == nil {
							err = st.Commit()
						}
						if err != nil {
							b.Error(err)
							return
						}
						_ = st.Cancel()
					}
				})
			}
			all.Wait()
		})
	}
}

// A thousand files of 8 KiB: staging and committing apart.
func BenchmarkBatch1000(b *testing.B) {
	s := open(b, Options{})
	b.ReportAllocs()
	seed := uint64(0)
	for b.Loop() {
		b.StopTimer()
		batch := s.NewBatch()
		for range 1000 {
			seed++
			batch.Add(stage(b, s, randomBytes(seed, 8<<10)))
		}
		b.StartTimer()
		if err := batch.Commit(); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		for _, st := range batch.staged {
			_ = st.Cancel()
		}
		b.StartTimer()
	}
}

// A store of 100,000 blobs opens as fast as an empty one.
func BenchmarkOpenAndEach100k(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "blobs")
	for i := range 256 {
		if err := os.MkdirAll(fmt.Sprintf("%s/%02x", dir, i), 0o700); err != nil {
			b.Fatal(err)
		}
		for j := range 400 {
			if err := os.WriteFile(fmt.Sprintf("%s/%02x/%062x", dir, i, j), nil, 0o600); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			s, err := Open(dir, Options{})
			if err != nil {
				b.Fatal(err)
			}
			_ = s.Close()
		}
	})
	b.Run("each", func(b *testing.B) {
		s := openAt(b, dir, Options{})
		for b.Loop() {
			if err := s.Each(ctx, func(Info) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("serve", func(b *testing.B) {
		s := openAt(b, dir, Options{})
		sha := put(b, s, randomBytes(1, 2000))
		b.ReportAllocs()
		for b.Loop() {
			f, _, err := s.Open(sha)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, f)
			_ = f.Close()
		}
	})
}
