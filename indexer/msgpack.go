package indexer

import (
	"encoding/hex"
	"encoding/json"
	"runtime"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/tinylib/msgp/msgp"
)

// appendObject writes a decoded JSON object, keys in code point order. In a record
// the hashes become bytes (CEP 16).
func appendObject(b []byte, m map[string]any, record bool) []byte {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b = msgp.AppendMapHeader(b, uint32(len(keys)))
	for _, k := range keys {
		b = msgp.AppendString(b, k)
		if record && (k == "sha256" || k == "md5") {
			if s, ok := m[k].(string); ok {
				if raw, err := hex.DecodeString(s); err == nil {
					b = msgp.AppendBytes(b, raw)
					continue
				}
			}
		}
		b = appendValue(b, m[k])
	}
	return b
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return msgp.AppendString(b, v)
	case bool:
		return msgp.AppendBool(b, v)
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return msgp.AppendInt64(b, i)
		}
		f, _ := v.Float64()
		return msgp.AppendFloat64(b, f)
	case []any:
		b = msgp.AppendArrayHeader(b, uint32(len(v)))
		for _, e := range v {
			b = appendValue(b, e)
		}
		return b
	case map[string]any:
		return appendObject(b, v, false)
	default:
		return msgp.AppendNil(b)
	}
}

// onceEncoder is an encoder made at its first use, for EncodeAll by many
// goroutines at once.
func onceEncoder(level zstd.EncoderLevel) func() *zstd.Encoder {
	return sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithWindowSize(1<<20),
			zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)))
		if err != nil {
			panic("indexer: " + err.Error())
		}
		return e
	})
}

// shardDecoder reads our own shards, by many goroutines at once.
var shardDecoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)))
	if err != nil {
		panic("indexer: " + err.Error())
	}
	return d
})
