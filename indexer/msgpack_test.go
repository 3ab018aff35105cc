package indexer

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tinylib/msgp/msgp"
	"pgregory.net/rapid"
)

// jsonValue generates anything that JSON can say.
func jsonValue(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.String().AsAny(), rapid.Float64().AsAny(),
		rapid.Map(rapid.Int32(), func(i int32) float64 { return float64(i) }).AsAny(),
	}
	if depth == 0 {
		return rapid.OneOf(leaves...)
	}
	return rapid.OneOf(append(leaves,
		rapid.SliceOfN(jsonValue(depth-1), 0, 20).AsAny(),
		rapid.MapOfN(rapid.String(), jsonValue(depth-1), 0, 20).AsAny())...)
}

func TestMsgpackSaysWhatTheJSONSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw, err := json.Marshal(jsonValue(3).Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "indent") {
			var b bytes.Buffer
			if err := json.Indent(&b, raw, " ", "\t"); err != nil {
				t.Fatal(err)
			}
			raw = b.Bytes()
		}
		var want any
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		packed, end := appendJSON(nil, raw, skipBlank(raw, 0))
		if skipBlank(raw, end) != len(raw) {
			t.Fatalf("the value ends at %d of %d", end, len(raw))
		}
		got, rest, err := msgp.ReadIntfBytes(packed)
		if err != nil || len(rest) > 0 {
			t.Fatalf("%s cannot be read back: %v, %d bytes left", raw, err, len(rest))
		}
		if diff := cmp.Diff(want, plainValue(got)); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", raw, diff)
		}
	})
}

func TestRecordInAShardHasRunExportsAndHashesAsBytes(t *testing.T) {
	t.Parallel()
	for record, want := range map[string]map[string]any{
		`{}`:                             {"run_exports": map[string]any{}},
		`{"sha256":"00ff","z":1}`:        {"run_exports": map[string]any{}, "sha256": []byte{0, 255}, "z": int64(1)},
		`{"a":1,"md5":"no hex"}`:         {"run_exports": map[string]any{}, "a": int64(1), "md5": "no hex"},
		`{"md5":null,"run_exports":[1]}`: {"run_exports": map[string]any{}, "md5": nil},
		`{"n":{"sha256":"00"}}`:          {"run_exports": map[string]any{}, "n": map[string]any{"sha256": "00"}},
	} {
		got, rest, err := msgp.ReadIntfBytes(appendRecord(nil, json.RawMessage(record), json.RawMessage(`{}`)))
		if err != nil || len(rest) > 0 {
			t.Fatal(err)
		}
		if diff := cmp.Diff(any(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", record, diff)
		}
	}
	sorted := appendRecord(nil, json.RawMessage(`{"name":"a","size":1}`), json.RawMessage(`{}`))
	if n, r, s := bytes.Index(sorted, []byte("name")), bytes.Index(sorted, []byte("run_exports")), bytes.Index(sorted, []byte("size")); n > r || r > s {
		t.Error("run_exports are not in their place among the keys")
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"name":"a","depends":["b >=1",""],"sha256":"00ff","timestamp":1.5e3,"x":{"y":[[],{}]}} `))
	f.Add([]byte(` {"\u0061":"\ud83d\ude00\n","z":-0,"a":18446744073709551616}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if checkObject(raw) != nil {
			return
		}
		got, rest, err := msgp.ReadIntfBytes(appendRecord(nil, raw, json.RawMessage(`{"weak":["a"]}`)))
		if err != nil || len(rest) > 0 {
			t.Fatalf("%q becomes msgpack that cannot be read: %v", raw, err)
		}
		if m, ok := got.(map[string]any); !ok || m["run_exports"] == nil {
			t.Fatalf("%q becomes %v", raw, got)
		}
	})
}
