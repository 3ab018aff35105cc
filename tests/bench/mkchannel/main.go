// Command mkchannel fills a folder with conda packages for the benchmarks.
//
//	mkchannel -dir DIR -n 50000            # DIR/noarch/bench-pkg-000000-1.0.0-py_0.conda …
//	mkchannel -dir DIR -from 50000 -n 1    # the next one
//
// Packages have some 8 KB, of bytes that do not compress, and records of some 500
// bytes of JSON. The same numbers give the same packages.
package main

import (
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/fairwayhq/fairway/conda/condatest"
)

// plan says which packages are to be made.
type plan struct {
	dir     string
	from, n int
	builds  int // of one name
	size    int // bytes of content in each
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("mkchannel: ")
	var p plan
	flag.StringVar(&p.dir, "dir", "", "folder of the channel")
	flag.IntVar(&p.from, "from", 0, "number of the first package")
	flag.IntVar(&p.n, "n", 1000, "how many packages")
	flag.IntVar(&p.builds, "builds", 10, "packages of one name")
	flag.IntVar(&p.size, "size", 6500, "bytes of content in a package")
	flag.Parse()
	if err := p.write(); err != nil {
		log.Fatal(err)
	}
}

func (p *plan) write() error {
	dir := filepath.Join(p.dir, "noarch")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for i := p.from; i < p.from+p.n; i++ {
		group.Go(func() error {
			filename, data := condatest.Build(p.spec(i))
			return os.WriteFile(filepath.Join(dir, filename), data, 0o644)
		})
	}
	return group.Wait()
}

// spec is the i-th package.
func (p *plan) spec(i int) condatest.Spec {
	name, build := fmt.Sprintf("bench-pkg-%06d", i/p.builds), i%p.builds
	content := make([]byte, p.size)
	random := rand.NewChaCha8([32]byte{byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24)})
	_, _ = random.Read(content) // never fails
	return condatest.Spec{
		Name: name, Version: fmt.Sprintf("1.%d.0", build), Build: "py_0", Noarch: "python", License: "BSD-3-Clause",
		Timestamp: 1_700_000_000_000 + int64(i)*1000,
		Depends:   []string{"python >=3.10", "numpy >=1.26,<3", "pandas >=2.2", "requests", fmt.Sprintf("bench-pkg-%06d >=1.0", i/p.builds/2)},
		Files:     map[string]string{"site-packages/" + name + "/data.bin": string(content)},
	}
}
