package indexer

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"github.com/tinylib/msgp/msgp"
)

// checkObject refuses what [appendRecord] cannot read.
func checkObject(raw json.RawMessage) error {
	if !json.Valid(raw) || raw[skipBlank(raw, 0)] != '{' {
		return errors.New("it is no JSON object")
	}
	return nil
}

// appendRecord writes a record as shards have it (CEP 16, CEP 21): in msgpack, with
// hashes as bytes and with run_exports in their place among the sorted keys. Both
// arguments have passed [checkObject]. Going from bytes to bytes costs a fifth of
// decoding: a name with a thousand builds is written anew with each of them.
func appendRecord(b []byte, record, runExports json.RawMessage) []byte {
	const key = "run_exports"
	start, n, placed := len(b), 0, false
	b = append(b, 0)
	eachMember(record, skipBlank(record, 0), func(k []byte, at int) int {
		name := unquote(k)
		if name == key {
			return skipValue(record, at)
		}
		if name > key && !placed {
			placed = true
			b, _ = appendJSON(msgp.AppendString(b, key), runExports, skipBlank(runExports, 0))
			n++
		}
		n++
		b = msgp.AppendString(b, name)
		if (name == "sha256" || name == "md5") && record[at] == '"' {
			end := skipValue(record, at)
			if raw, err := hex.DecodeString(unquote(record[at:end])); err == nil {
				b = msgp.AppendBytes(b, raw)
				return end
			}
		}
		b, at = appendJSON(b, record, at)
		return at
	})
	if !placed {
		b, _ = appendJSON(msgp.AppendString(b, key), runExports, skipBlank(runExports, 0))
		n++
	}
	return setHeader(b, start, n, 0x80, 0xde)
}

// appendJSON writes the valid JSON value that begins at s[i] as msgpack, and
// returns where it ends.
func appendJSON(b, s []byte, i int) ([]byte, int) {
	switch s[i] {
	case '{':
		start, n := len(b), 0
		b = append(b, 0)
		i = eachMember(s, i, func(k []byte, at int) int {
			n++
			b = msgp.AppendString(b, unquote(k))
			b, at = appendJSON(b, s, at)
			return at
		})
		return setHeader(b, start, n, 0x80, 0xde), i
	case '[':
		start, n := len(b), 0
		b = append(b, 0)
		for i = skipBlank(s, i+1); s[i] != ']'; n++ {
			if s[i] == ',' {
				i = skipBlank(s, i+1)
			}
			b, i = appendJSON(b, s, i)
			i = skipBlank(s, i)
		}
		return setHeader(b, start, n, 0x90, 0xdc), i + 1
	}
	end := skipValue(s, i)
	switch s[i] {
	case '"':
		b = msgp.AppendString(b, unquote(s[i:end]))
	case 't', 'f':
		b = msgp.AppendBool(b, s[i] == 't')
	case 'n':
		b = msgp.AppendNil(b)
	default:
		text := string(s[i:end])
		if v, err := strconv.ParseInt(text, 10, 64); err == nil {
			return msgp.AppendInt64(b, v), end
		}
		v, _ := strconv.ParseFloat(text, 64) // beyond its range: infinite
		b = msgp.AppendFloat64(b, v)
	}
	return b, end
}

// eachMember calls fn with each key, quoted, of the object that begins at s[i] and
// with where its value begins; fn returns where that ends. So does eachMember.
func eachMember(s []byte, i int, fn func(key []byte, at int) int) int {
	for i = skipBlank(s, i+1); s[i] != '}'; i = skipBlank(s, i) {
		if s[i] == ',' {
			i = skipBlank(s, i+1)
		}
		end := skipValue(s, i)
		i = fn(s[i:end], skipBlank(s, skipBlank(s, end)+1))
	}
	return i + 1
}

// skipBlank is the first place from i on that is no white space.
func skipBlank(s []byte, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
		i++
	}
	return i
}

// skipValue is where the valid JSON value that begins at s[i] ends.
func skipValue(s []byte, i int) int {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '"':
			for i++; s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // of a number or a word that ends what holds it
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}

// unquote is the content of a JSON string.
func unquote(quoted []byte) string {
	inside := quoted[1 : len(quoted)-1]
	plain := utf8.Valid(inside)
	for _, c := range inside {
		plain = plain && c != '\\'
	}
	if plain {
		return string(inside)
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // valid, so it has a value
	return s
}

// setHeader turns the byte at start into the smallest header of a map or list with
// n entries.
func setHeader(b []byte, start, n int, fix, wide byte) []byte {
	var head [5]byte
	size := 1
	switch {
	case n <= 15:
		head[0] = fix | byte(n)
	case n <= 0xffff:
		head, size = [5]byte{wide, byte(n >> 8), byte(n)}, 3
	default:
		head, size = [5]byte{wide + 1, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, 5
	}
	end := len(b)
	b = append(b, head[1:size]...) // room
	copy(b[start+size:], b[start+1:end])
	copy(b[start:], head[:size])
	return b
}

// shardEncoder writes frames that state their size, which older conda needs; it
// serves many goroutines at once.
var shardEncoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithWindowSize(1<<20),
		zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)))
	if err != nil {
		panic("indexer: " + err.Error())
	}
	return e
})

// shardDecoder reads our own shards, by many goroutines at once.
var shardDecoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)))
	if err != nil {
		panic("indexer: " + err.Error())
	}
	return d
})
