package splice_test

import (
	"bytes"
	stdgzip "compress/gzip"
	"hash/crc32"
	"io"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairwayhq/fairway/splice"
)

// gzipOf splices parts into one member.
func gzipOf(parts [][]byte) []byte {
	out := []byte(splice.GzipHead)
	var sum splice.GzipSum
	for _, p := range parts {
		d := splice.Deflate(p)
		out = append(out, d.Data...)
		sum.Add(d)
	}
	return sum.AppendTail(out)
}

// unzip reads exactly one member with the standard library, which checks the
// sum and the length.
func unzip(t interface{ Fatalf(string, ...any) }, packed []byte) []byte {
	src := bytes.NewReader(packed)
	z, err := stdgzip.NewReader(src)
	if err != nil {
		t.Fatalf("reading header: %v", err)
	}
	z.Multistream(false)
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatalf("unpacking: %v", err)
	}
	if src.Len() != 0 {
		t.Fatalf("%d bytes follow the member", src.Len())
	}
	return raw
}

// Whatever the parts are, even empty ones, the member unpacks to them in order.
func TestSplicedGzipUnpacksToItsParts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.Custom(func(t *rapid.T) []byte {
			unit := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "unit")
			return bytes.Repeat(unit, rapid.IntRange(1, 200).Draw(t, "times"))
		})
		parts := rapid.SliceOfN(part, 0, 12).Draw(t, "parts")
		if got, want := unzip(t, gzipOf(parts)), bytes.Join(parts, nil); !bytes.Equal(got, want) {
			t.Fatalf("got %d bytes, expected %d others", len(got), len(want))
		}
	})
}

// One encoder serves many runs; none may leave a trace in the next.
func TestDeflateIsAFunctionOfItsInput(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(rapid.ByteRange('a', 'e'), 0, 5000).Draw(t, "a")
		b := rapid.SliceOfN(rapid.ByteRange('a', 'e'), 0, 5000).Draw(t, "b")
		first := splice.Deflate(a)
		splice.Deflate(b)
		if again := splice.Deflate(a); !bytes.Equal(again.Data, first.Data) {
			t.Fatal("two runs of one input differ")
		}
	})
}

// The length field is modulo 2^32, and the sum right far beyond it: segments are
// repeated rather than held.
func TestGzipSumOfMoreThan4GiB(t *testing.T) {
	t.Parallel()
	run := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // 16 MiB
	d := splice.Deflate(run)
	var sum splice.GzipSum
	want := crc32.NewIEEE()
	for range 257 {
		sum.Add(d)
		want.Write(run)
	}
	if sum.Size() != 257<<24 {
		t.Errorf("size is %d", sum.Size())
	}
	c := want.Sum32()
	tail := []byte{3, 0, byte(c), byte(c >> 8), byte(c >> 16), byte(c >> 24), 0, 0, 0, 1}
	if got := sum.AppendTail(nil); !bytes.Equal(got, tail) || len(got) != splice.GzipTailLen {
		t.Errorf("tail is %x, expected %x", got, tail)
	}
}

func BenchmarkDeflate16K(b *testing.B) {
	raw := bytes.Repeat([]byte(`{"filename":"a-1.0-py3-none-any.whl","size":123},`), 16<<10/49)
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		splice.Deflate(raw)
	}
}

func BenchmarkGzipSumAdd(b *testing.B) {
	d := splice.Deflate([]byte("one segment"))
	b.ReportAllocs()
	var sum splice.GzipSum
	for b.Loop() {
		sum.Add(d)
	}
}
