package splice

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

// document is a spliced frame and what it must decode to.
type document struct {
	parts []byte
	plain []byte
}

func (d *document) raw(text []byte) {
	d.parts = AppendZstdRaw(d.parts, text)
	d.plain = append(d.plain, text...)
}

func (d *document) segment(raw []byte) {
	d.parts = AppendZstd(d.parts, raw)
	if len(raw) > 0 {
		d.plain = append(append(d.plain, Filler...), raw...)
	}
}

func (d *document) frame() []byte {
	b := append(ZstdHeader(uint64(len(d.plain))), d.parts...)
	return append(b, ZstdTrailer()...)
}

// klauspost decodes with one that has nothing in common with the encoder's state.
func klauspost(t testing.TB, frame []byte) []byte {
	t.Helper()
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	got, err := d.DecodeAll(frame, nil)
	if err != nil {
		t.Fatalf("klauspost does not decode the frame: %v", err)
	}
	return got
}

// cli decodes with the reference implementation.
func cli(t testing.TB, frame []byte) []byte {
	t.Helper()
	path, err := exec.LookPath("zstd")
	if err != nil {
		t.Fatal("the zstd program is needed to prove that frames can be read: install it with 'apt-get install zstd' (or your system's package zstd)")
	}
	cmd := exec.Command(path, "-d", "-c")
	cmd.Stdin = bytes.NewReader(frame)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	got, err := cmd.Output()
	if err != nil {
		t.Fatalf("zstd does not decode the frame: %v: %s", err, stderr.String())
	}
	return got
}

// content makes bytes of every kind that an encoder treats in its own way.
func content(seed uint64, kind, size int) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, 0, size+600)
	switch kind % 5 {
	case 0: // incompressible: raw blocks
		for len(b) < size {
			b = binary.LittleEndian.AppendUint64(b, rng.Uint64())
		}
	case 1: // one byte: RLE blocks
		b = bytes.Repeat([]byte{byte(seed)}, size)
	case 2: // package records
		for len(b) < size {
			sum := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, rng.Uint64()))
			b = fmt.Appendf(b, `"n%d-1.%d-0.conda":{"build":"0","depends":["python >=3.%d"],"sha256":"%x"},`, rng.IntN(50), rng.IntN(9), rng.IntN(14), sum)
		}
	case 3: // begins with what repeat offsets 1, 4 and 8 match at once
		for len(b) < size {
			b = append(b, "aaaaaaaaabcdabcdabcdefghefghefghijklmnopijklmnop"[rng.IntN(20):]...)
		}
	default: // few symbols
		for range size {
			b = append(b, "ab\x00"[rng.IntN(3)])
		}
	}
	return b[:size]
}

func TestFrameOfManySegmentsDecodesEverywhere(t *testing.T) {
	t.Parallel()
	sizes := []int{0, 1, 2, 7, 8, 9, 31, 32, 33, 255, 256, 1000, 65535, 65536, 131071, 131072, 131073, 300_000, 2_500_000}
	for kind := range 5 {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel()
			var d document
			d.raw([]byte(`{"packages":{`))
			for i, size := range sizes {
				d.segment(content(uint64(i), kind+i%2, size))
				d.raw([]byte(","))
				d.segment(content(uint64(i), kind, size))
			}
			frame := d.frame()
			if got := klauspost(t, frame); !bytes.Equal(got, d.plain) {
				t.Fatal("klauspost decodes other bytes than were spliced")
			}
			if got := cli(t, frame); !bytes.Equal(got, d.plain) {
				t.Fatal("the zstd program decodes other bytes than were spliced")
			}
		})
	}
}

func TestEmptyFrameDecodesToNothing(t *testing.T) {
	t.Parallel()
	var d document
	d.segment(nil)
	d.raw(nil)
	if got := klauspost(t, d.frame()); len(got) != 0 {
		t.Fatalf("decoded to %q", got)
	}
	if got := cli(t, d.frame()); len(got) != 0 {
		t.Fatalf("decoded to %q", got)
	}
}

func TestFrameIsOneFrameThatStatesItsSize(t *testing.T) {
	t.Parallel()
	var d document
	d.segment(content(1, 2, 5000))
	d.segment(content(2, 2, 5000))
	var h zstd.Header
	if err := h.Decode(d.frame()); err != nil {
		t.Fatal(err)
	}
	if !h.HasFCS || h.FrameContentSize != uint64(len(d.plain)) || h.SingleSegment || h.HasCheckSum || h.HeaderSize != ZstdHeaderLen {
		t.Fatalf("header is %+v", h)
	}
	if n := bytes.Count(d.frame(), zstdHeader[:4]); n != 1 {
		t.Fatalf("the frame holds %d frame headers", n)
	}
}

func TestResetLeavesTheRepeatOffsetsOfAFreshFrame(t *testing.T) {
	t.Parallel()
	// A block of one sequence, literal length 8 and match length 3, for each of
	// the three repeat offsets; offset value 1, 2 or 3 needs code 0 or 1.
	for n, offset := range []int{1, 4, 8} {
		state, extra, bits := uint32(0), uint32(0), uint32(0) // predefined offset table: state 0 is code 0
		if n > 0 {
			state, extra, bits = offsetCodeOne, uint32(n-1), 1
		}
		stream := (uint32(1)<<5|state)<<bits | extra
		body := []byte{8 << 3, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 1, 0b01_00_01_00, 8, 0, byte(stream)}
		head := uint32(len(body))<<3 | 2<<1
		var d document
		d.segment(content(3, 2, 4000)) // leaves other offsets behind
		d.parts = append(d.parts, zstdReset[:]...)
		d.parts = append(d.parts, byte(head), byte(head>>8), byte(head>>16))
		d.parts = append(d.parts, body...)
		text := "abcdefgh"
		d.plain = append(append(d.plain, Filler...), text...)
		for range 3 {
			d.plain = append(d.plain, d.plain[len(d.plain)-offset])
		}
		if got := cli(t, d.frame()); !bytes.Equal(got, d.plain) {
			t.Errorf("repeat offset %d is not %d after the reset: %q", n+1, offset, got[len(got)-11:])
		}
	}
}

// offsetCodeOne is the state of offset code 1 in the predefined table (RFC 8878
// appendix A).
const offsetCodeOne = 23

func TestSegmentDecodesAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := content(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(0, 4).Draw(t, "kind"), rapid.IntRange(0, 200_000).Draw(t, "size"))
		got, err := Unzstd(nil, AppendZstd(nil, raw), len(raw))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, raw) {
			t.Fatal("a segment decodes to other bytes than were compressed")
		}
	})
}

func TestOrderOfSegmentsIsFree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var d document
		for range rapid.IntRange(0, 12).Draw(t, "parts") {
			raw := content(rapid.Uint64Range(0, 5).Draw(t, "seed"), rapid.IntRange(0, 4).Draw(t, "kind"), rapid.IntRange(0, 3000).Draw(t, "size"))
			if rapid.Bool().Draw(t, "raw") {
				d.raw(raw)
			} else {
				d.segment(raw)
			}
		}
		dec, err := zstd.NewReader(bytes.NewReader(d.frame()), zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		defer dec.Close()
		var got bytes.Buffer
		if _, err := got.ReadFrom(dec); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), d.plain) {
			t.Fatal("decoded other bytes than were spliced")
		}
	})
}

func FuzzSplice(f *testing.F) {
	f.Add([]byte("{}"), []byte("aaaaaaaaaaaaaaaa"), []byte{}, uint8(3))
	f.Add(content(1, 0, 3000), content(2, 1, 200_000), content(3, 2, 70_000), uint8(7))
	f.Add(content(4, 3, 90), content(4, 3, 90), content(4, 4, 900), uint8(0))
	f.Fuzz(func(t *testing.T, a, b, c []byte, order uint8) {
		parts := [][]byte{a, b, c}
		var d document
		for i := range 6 {
			p := parts[(int(order)+i*i)%3]
			if order>>i&1 == 1 {
				d.raw(p)
			} else {
				d.segment(p)
			}
		}
		if got := klauspost(t, d.frame()); !bytes.Equal(got, d.plain) {
			t.Fatal("decoded other bytes than were spliced")
		}
	})
}

func BenchmarkAppendZstd(b *testing.B) {
	raw := content(1, 2, 64<<10)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		dst = AppendZstd(dst[:0], raw)
	}
}

func BenchmarkUnzstd(b *testing.B) {
	raw := content(1, 2, 64<<10)
	seg := AppendZstd(nil, raw)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		var err error
		if dst, err = Unzstd(dst[:0], seg, len(raw)); err != nil {
			b.Fatal(err)
		}
	}
}
