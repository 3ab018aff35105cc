package catalog

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// One package and its audit row in a transaction of its own, durable.
func BenchmarkUpdate(b *testing.B) {
	s := open(b, Options{})
	id := newChannel(b, s, "main")
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		update(b, s, func(tx *Tx) error { return tx.InsertPackage(pkg(id, "noarch", fmt.Sprint("p", i), "1", "x")) })
	}
}

// The same by 32 at once: ns/op is the time between two answers.
func BenchmarkUpdateGroup32(b *testing.B) {
	s := open(b, Options{})
	id := newChannel(b, s, "main")
	b.ReportAllocs()
	var next atomic.Int64
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if _, err := tryUpdate(s, func(tx *Tx) error { return tx.InsertPackage(pkg(id, "noarch", fmt.Sprint("p", i), "1", "x")) }); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// A mutation of 1000 packages, as an import makes them.
func BenchmarkInsert1000(b *testing.B) {
	s := open(b, Options{})
	id := newChannel(b, s, "main")
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		update(b, s, func(tx *Tx) error {
			for range 1000 {
				i++
				if err := tx.InsertPackage(pkg(id, "noarch", fmt.Sprint("p", i), "1", "x")); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// What a start reads of a subdir of 100,000 packages.
func BenchmarkEachEntry100k(b *testing.B) {
	s := open(b, Options{})
	id := newChannel(b, s, "main")
	for batch := range 100 {
		update(b, s, func(tx *Tx) error {
			for i := range 1000 {
				if err := tx.InsertPackage(pkg(id, "noarch", fmt.Sprintf("p%d-%d", batch, i), "1", "x")); err != nil {
					return err
				}
			}
			return nil
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := s.EachEntry(ctx, id, "noarch", func(*Entry) error { n++; return nil }); err != nil || n != 100_000 {
			b.Fatal(n, err)
		}
	}
}

// One lookup of a package by its file name among 1000.
func BenchmarkPackage(b *testing.B) {
	s := open(b, Options{})
	id := newChannel(b, s, "main")
	update(b, s, func(tx *Tx) error { return insertMany(tx, id, 1000) })
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Package(ctx, id, "noarch", "many500-1-0.conda"); err != nil {
			b.Fatal(err)
		}
	}
}
