package python_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/fairwayhq/fairway/python"
	"github.com/fairwayhq/fairway/python/pythontest"
)

// small keeps one run of a fuzz test cheap.
var small = python.Limits{MaxEntries: 100, MaxDirectory: 1 << 16, MaxMetadata: 1 << 16, MaxUnpacked: 1 << 20}

// judged checks what holds for any archive: it is refused with a reason, or it
// agrees with its file name.
func judged(t *testing.T, data []byte, filename string) {
	d, err := inspect(data, filename, small)
	var inv *python.InvalidError
	switch {
	case err != nil && !errors.As(err, &inv):
		t.Fatalf("not a fault of the archive: %v", err)
	case err != nil:
	case python.Normalise(d.Metadata.Name) != "ours" || python.CanonicalVersion(d.Metadata.Version) == "" || len(d.RawMetadata) == 0:
		t.Fatalf("accepted as %+v", d)
	}
}

func FuzzInspectWheel(f *testing.F) {
	filename, data := pythontest.Wheel(ours)
	f.Add(data)
	f.Add(rawZip([]zmember{{name: "ours-1.0.dist-info/", method: 8}}, func(dir []byte, offset, count int) []byte {
		return append(append(dir, zipEnd64(len(dir), offset, count)...), zipEnd(-1, -1, -1)...)
	}))
	f.Fuzz(func(t *testing.T, data []byte) { judged(t, data, filename) })
}

// The fuzzed bytes are the archive itself, for a changed gzip stream is refused
// by its checksum.
func FuzzInspectSdist(f *testing.F) {
	filename, data := pythontest.Sdist(ours)
	f.Add(gunzipped(f, data))
	f.Add(gunzipped(f, tarball(f)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		judged(t, gzipped(raw), filename)
		judged(t, raw, filename)
		judged(t, raw, strings.Replace(filename, ".tar.gz", ".zip", 1))
	})
}
