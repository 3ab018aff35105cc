package authz

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

// loaded makes a ring of n keys with globs, address lists and expiry, over 1,000
// policies, and the tokens of up to 4,096 of them.
func loaded(b *testing.B, n int) (*Ring, []string) {
	b.Helper()
	r := newRing()
	for i := range 1000 {
		r.SetPolicy(Policy{ID: fmt.Sprint("p", i), Name: fmt.Sprint("p", i), Mask: developer})
	}
	cidrs := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")}
	scope := Scope{Channels: names(b, "team-*", "main"), Packages: names(b, "foo-*", "num*")}
	var tokens []string
	for i := range n {
		token, s := NewToken(SecretKey)
		k := Key{ID: fmt.Sprint(i), PolicyID: fmt.Sprint("p", i%1000), Scope: scope, CIDRs: cidrs, ExpiresAt: noon * 2}
		set(r, &k, s)
		if len(tokens) < 4096 {
			tokens = append(tokens, token)
		}
	}
	return r, tokens
}

var item = &Resource{Engine: EngineConda, Channel: "main", Subdir: "noarch", Package: "numpy"}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		b.Run(fmt.Sprint("keys=", n), func(b *testing.B) {
			r, tokens := loaded(b, n)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := r.Decide(tokens[i%len(tokens)], PackageRead, item, here, noon); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		loaded(b, 100_000)
	}
}

func BenchmarkDecideParallel(b *testing.B) {
	r, tokens := loaded(b, 100_000)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			_, _ = r.Decide(tokens[i%len(tokens)], PackageRead, item, here, noon)
		}
	})
}

// BenchmarkDecideWhileChanging decides while another goroutine changes 10,000 keys
// a second.
func BenchmarkDecideWhileChanging(b *testing.B) {
	r, tokens := loaded(b, 100_000)
	var changes atomic.Int64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		started := time.Now()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			for due := int64(time.Since(started).Seconds() * 10_000); changes.Load() < due; changes.Add(1) {
				_, s := NewToken(SecretKey)
				k := Key{ID: fmt.Sprint("new", changes.Load()%1000), PolicyID: "reader"}
				set(r, &k, s)
			}
		}
	}()
	b.ReportAllocs()
	started := time.Now()
	for i := 0; b.Loop(); i++ {
		if _, err := r.Decide(tokens[i%len(tokens)], PackageRead, item, here, noon); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(changes.Load())/time.Since(started).Seconds(), "changes/s")
	close(stop)
	<-done
}

// The two must cost the same: which key ids exist is nobody's business.
func BenchmarkRefuse(b *testing.B) {
	r, tokens := loaded(b, 100_000)
	wrong := make([]string, len(tokens))
	for i, token := range tokens {
		wrong[i] = token[:TokenLen-1] + "!"
	}
	unknown := make([]string, len(tokens))
	for i := range unknown {
		unknown[i], _ = NewToken(SecretKey)
	}
	for name, list := range map[string][]string{"wrong": wrong, "unknown": unknown} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				_, _ = r.Decide(list[i%len(list)], PackageRead, item, here, noon)
			}
		})
	}
}

func BenchmarkChange(b *testing.B) {
	_, s1 := NewToken(SecretKey)
	_, s2 := NewToken(SecretKey)
	b.Run("rotate", func(b *testing.B) {
		r, _ := loaded(b, 100_000)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			r.SetKey(Key{ID: "7", PolicyID: "reader", Enabled: true}, []Secret{s1, s2}[i%2:i%2+1])
		}
	})
	b.Run("policy", func(b *testing.B) {
		r, _ := loaded(b, 100_000)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			r.SetPolicy(Policy{ID: "p7", Mask: Mask(i)})
		}
	})
}

func BenchmarkCredentials(b *testing.B) {
	key, _ := NewToken(SecretKey)
	for name, r := range map[string]string{"bearer": "Bearer " + key, "basic": basicAuth("__token__:" + key)} {
		req := request("", "Authorization", r)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Credentials(req, "")
			}
		})
	}
}
