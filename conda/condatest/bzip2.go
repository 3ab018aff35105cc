package condatest

import (
	"cmp"
	"slices"
)

// Bzip2 compresses data into one bzip2 stream. The standard library only reads
// the format; this writes it plainly, with one fixed Huffman code, for tests that
// care about the bytes inside. Expect about the size of the input.
func Bzip2(data []byte) []byte {
	w := &bitWriter{out: []byte("BZh1")}
	var streamCRC uint32
	for len(data) > 0 {
		block, used := runLengths(data)
		crc := crcOf(data[:used])
		data = data[used:]
		streamCRC = (streamCRC<<1 | streamCRC>>31) ^ crc
		w.block(block, crc)
	}
	w.bits(0x177245385090, 48)
	w.bits(uint64(streamCRC), 32)
	if w.n > 0 {
		w.bits(0, 8-w.n)
	}
	return w.out
}

// maxBlock leaves room for one run in a block of 100,000 bytes.
const maxBlock = 100_000 - 5

// runLengths does the first step of the format, and says how much of data went
// into the block: runs of four and more become four and a count.
func runLengths(data []byte) (block []byte, used int) {
	for used < len(data) && len(block) < maxBlock {
		run := 1
		for run < 255 && used+run < len(data) && data[used+run] == data[used] {
			run++
		}
		for range min(run, 4) {
			block = append(block, data[used])
		}
		if run >= 4 {
			block = append(block, byte(run-4))
		}
		used += run
	}
	return block, used
}

// rotations sorts all rotations of block, by doubling the prefix that is sorted.
func rotations(block []byte) []int {
	n := len(block)
	order, rank, next := make([]int, n), make([]int, n), make([]int, n)
	for i := range order {
		order[i], rank[i] = i, int(block[i])
	}
	for k := 0; ; k = max(1, 2*k) {
		compare := func(a, b int) int {
			return cmp.Or(cmp.Compare(rank[a], rank[b]), cmp.Compare(rank[(a+k)%n], rank[(b+k)%n]))
		}
		slices.SortFunc(order, compare)
		next[order[0]] = 0
		for i := 1; i < n; i++ {
			next[order[i]] = next[order[i-1]]
			if compare(order[i-1], order[i]) != 0 {
				next[order[i]]++
			}
		}
		rank, next = next, rank
		if k >= n || rank[order[n-1]] == n-1 {
			return order
		}
	}
}

// block writes one block: the rotations' last column, moved to front, with runs
// of zeros as bijective binary numbers.
func (w *bitWriter) block(block []byte, crc uint32) {
	order := rotations(block)
	var recent [256]byte
	for i := range recent {
		recent[i] = byte(i)
	}
	const endOfBlock = 257
	symbols, zeros := []int(nil), 0
	flush := func() {
		for ; zeros > 0; zeros = (zeros - 1) / 2 {
			symbols = append(symbols, (zeros+1)%2)
		}
	}
	for _, at := range order {
		c := block[(at+len(block)-1)%len(block)]
		i := slices.Index(recent[:], c)
		copy(recent[1:i+1], recent[:i])
		recent[0] = c
		if i == 0 {
			zeros++
			continue
		}
		flush()
		symbols = append(symbols, i+1)
	}
	flush()
	symbols = append(symbols, endOfBlock)

	w.bits(0x314159265359, 48)
	w.bits(uint64(crc), 32)
	w.bits(0, 1) // not randomised
	w.bits(uint64(slices.Index(order, 0)), 24)
	for range 17 { // all 256 bytes may occur
		w.bits(0xffff, 16)
	}
	selectors := (len(symbols) + 49) / 50
	w.bits(2, 3) // two codes at least, which are the same
	w.bits(uint64(selectors), 15)
	for range selectors {
		w.bits(0, 1)
	}
	for range 2 { // 254 symbols of 8 bits, then four of 9
		w.bits(8, 5)
		w.bits(0, 254)
		w.bits(0b100, 3)
		w.bits(0, 3)
	}
	for _, s := range symbols {
		if s < 254 {
			w.bits(uint64(s), 8)
		} else {
			w.bits(uint64(254+s), 9)
		}
	}
}

// bitWriter writes the most significant bit first.
type bitWriter struct {
	out []byte
	acc byte
	n   int // bits in acc
}

func (w *bitWriter) bits(v uint64, n int) {
	for n--; n >= 0; n-- {
		w.acc = w.acc<<1 | byte(v>>n&1)
		if w.n++; w.n == 8 {
			w.out, w.acc, w.n = append(w.out, w.acc), 0, 0
		}
	}
}

// crcOf is the checksum of the format: CRC-32 with the bits the other way round
// than hash/crc32 has them.
func crcOf(data []byte) uint32 {
	crc := ^uint32(0)
	for _, b := range data {
		crc ^= uint32(b) << 24
		for range 8 {
			if crc&(1<<31) != 0 {
				crc = crc<<1 ^ 0x04c11db7
			} else {
				crc <<= 1
			}
		}
	}
	return ^crc
}
