package tests

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/conda/condatest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// 32 uploaders and 32 readers, under the race detector. Packages are only added, so
// every read of every variant must hold all that any earlier read of any variant
// held: a stale variant beside a fresh one, or a generation of mixed parts, would
// not. An uploader sees its package in a variant of its choice as soon as it has
// the answer.
func TestUploadersAndReaders(t *testing.T) {
	t.Parallel()
	const (
		uploaderCount, readerCount = 32, 32
		packages                   = 640
		atMost                     = 30 * time.Second
	)
	g := harness.Start(t, harness.Options{Race: true})
	key := g.Key("admin")
	g.Channel("team")
	s := g.Subdir(key, "team", "noarch")

	var (
		next, reads atomic.Int64
		uploading   sync.WaitGroup
		reading     sync.WaitGroup
		done        = make(chan struct{})
		end         = time.Now().Add(atMost)
		published   sync.Map
	)
	for range uploaderCount {
		uploading.Go(func() {
			for !t.Failed() && time.Now().Before(end) {
				i := next.Add(1)
				if i > packages {
					return
				}
				// Half of them share a name, and so a shard.
				name := "own" + strconv.FormatInt(i, 10)
				if i%2 == 0 {
					name = "shared"
				}
				file, data := condatest.Build(condatest.Spec{Name: name, Version: strconv.FormatInt(i, 10)})
				r, err := g.Try(harness.UploadRequest(key, "team", file, data))
				if err != nil || r.Status != 201 {
					t.Errorf("uploading %s: %v %v", file, err, r)
					return
				}
				published.Store(file, sha(data))
				if i%8 == 0 {
					if err := readYourWrite(s, file, name); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	for i := range readerCount {
		reading.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 7))
			seen := harness.Records{}
			for !t.Failed() {
				select {
				case <-done:
					return
				default:
				}
				if err := readOnce(s, random, seen); err != nil {
					t.Error(err)
					return
				}
				reads.Add(1)
			}
		})
	}
	uploading.Wait()
	close(done)
	reading.Wait()

	records := s.View(t)
	count := 0
	published.Range(func(file, sum any) bool {
		count++
		if records[file.(string)]["sha256"] != sum {
			t.Errorf("%s was published and is not in the index", file)
		}
		return true
	})
	if count != len(records) {
		t.Errorf("%d packages were published, the index has %d", count, len(records))
	}
	t.Logf("%d uploads, %d reads", count, reads.Load())
	if count < uploaderCount || reads.Load() < readerCount {
		t.Error("too little happened: the test shows nothing")
	}
}

func readYourWrite(s harness.Source, file, name string) error {
	v := harness.Variants[rand.IntN(3)]
	r, err := v.Read(s)
	if err != nil {
		return err
	}
	if _, ok := r[file]; !ok {
		return fmt.Errorf("%s is acknowledged, but %s does not have it", file, v.Name)
	}
	index, err := s.ShardIndex()
	if err != nil {
		return err
	}
	if r, err = s.Shard(name, index[name]); err != nil {
		return err
	}
	if _, ok := r[file]; !ok {
		return fmt.Errorf("%s is acknowledged, but its shard does not have it", file)
	}
	return nil
}

// readOnce reads one variant and checks it against what was seen before.
func readOnce(s harness.Source, random *rand.Rand, seen harness.Records) error {
	if random.IntN(4) > 0 {
		v := harness.Variants[random.IntN(3)]
		r, err := v.Read(s)
		if err != nil {
			return err
		}
		for file := range seen {
			if _, ok := r[file]; !ok {
				return fmt.Errorf("%s was seen, and is not in a later %s", file, v.Name)
			}
		}
		for file := range r {
			seen[file] = r[file]
		}
		return nil
	}
	index, err := s.ShardIndex()
	if err != nil {
		return err
	}
	for file, rec := range seen {
		if name, _ := rec["name"].(string); index[name] == "" {
			return fmt.Errorf("%s was seen, and the shard index does not have its name", file)
		}
	}
	hash, ok := index["shared"]
	if !ok {
		return nil
	}
	r, err := s.Shard("shared", hash)
	if err != nil {
		return err
	}
	for file, rec := range seen {
		if _, ok := r[file]; rec["name"] == "shared" && !ok {
			return fmt.Errorf("%s was seen, and is not in its shard", file)
		}
	}
	for file := range r {
		seen[file] = r[file]
	}
	return nil
}

// Of many uploads of other bytes under one name, exactly one wins.
func TestOneWinner(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{Race: true})
	key := g.Key("developer")
	g.Channel("team")
	var wg sync.WaitGroup
	var created, refused atomic.Int64
	var winner atomic.Value
	for i := range 32 {
		wg.Go(func() {
			file, data := condatest.Build(condatest.Spec{Name: "one", Files: map[string]string{"f": strconv.Itoa(i)}})
			r, err := g.Try(harness.UploadRequest(key, "team", file, data))
			switch {
			case err != nil:
				t.Error(err)
			case r.Status == 201:
				created.Add(1)
				winner.Store(sha(data))
			case r.Status == 409:
				refused.Add(1)
			default:
				t.Errorf("%d %s", r.Status, r.Text())
			}
		})
	}
	wg.Wait()
	if created.Load() != 1 || refused.Load() != 31 {
		t.Fatalf("%d uploads won, %d were refused", created.Load(), refused.Load())
	}
	records := g.Subdir(key, "team", "noarch").View(t)
	if records["one-1.0-0.conda"]["sha256"] != winner.Load() {
		t.Error("the index has another package than the one that won")
	}
}
