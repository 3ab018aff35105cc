package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

func init() { caddy.RegisterModule(RedactEncoder{}) }

// RedactEncoder is a log encoder that masks API keys in whatever another encoder
// wrote. Caddy clones a request for its logs before any handler runs, and masks
// four headers only; this is the place which also sees paths (/t/<key>/), other
// headers, and text nobody thought of.
type RedactEncoder struct {
	// The encoder whose output is masked; default: json.
	WrappedRaw json.RawMessage `json:"wrap,omitempty" caddy:"namespace=caddy.logging.encoders inline_key=format"`

	zapcore.Encoder `json:"-"`
}

// CaddyModule implements [caddy.Module].
func (RedactEncoder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.logging.encoders.fairway",
		New: func() caddy.Module { return new(RedactEncoder) },
	}
}

// Provision implements [caddy.Provisioner].
func (e *RedactEncoder) Provision(ctx caddy.Context) error {
	if e.WrappedRaw == nil {
		inner := new(logging.JSONEncoder)
		if err := inner.Provision(ctx); err != nil {
			return err
		}
		e.Encoder = inner
		return nil
	}
	mod, err := ctx.LoadModule(e, "WrappedRaw")
	if err != nil {
		return fmt.Errorf("loading wrapped log encoder: %w", err)
	}
	e.Encoder = mod.(zapcore.Encoder)
	return nil
}

// ConfigureDefaultFormat lets Caddy choose the wrapped format for a terminal.
func (e *RedactEncoder) ConfigureDefaultFormat(wo caddy.WriterOpener) error {
	if cf, ok := e.Encoder.(caddy.ConfiguresFormatterDefault); ok {
		return cf.ConfigureDefaultFormat(wo)
	}
	return nil
}

// UnmarshalCaddyfile reads
//
//	format fairway {
//		wrap <encoder>   # default json
//	}
func (e *RedactEncoder) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the encoder's name
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		switch d.Val() {
		case "wrap":
			if e.WrappedRaw != nil {
				return d.Err("wrap is already set: one encoder is expected")
			}
			if !d.NextArg() {
				return d.ArgErr()
			}
			name := d.Val()
			unm, err := caddyfile.UnmarshalModule(d, "caddy.logging.encoders."+name)
			if err != nil {
				return err
			}
			enc, ok := unm.(zapcore.Encoder)
			if !ok {
				return d.Errf("module %s is no log encoder", name)
			}
			e.WrappedRaw = caddyconfig.JSONModuleObject(enc, "format", name, nil)
		default:
			return d.Errf("unrecognized subdirective %q: 'wrap' is expected", d.Val())
		}
	}
	return nil
}

// Clone implements [zapcore.Encoder].
func (e *RedactEncoder) Clone() zapcore.Encoder {
	return &RedactEncoder{Encoder: e.Encoder.Clone()}
}

// EncodeEntry implements [zapcore.Encoder].
func (e *RedactEncoder) EncodeEntry(ent zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	buf, err := e.Encoder.EncodeEntry(ent, fields)
	if err != nil {
		return nil, err
	}
	if clean := redact(buf.Bytes()); len(clean) != buf.Len() {
		buf.Reset()
		_, _ = buf.Write(clean)
	}
	return buf, nil
}

const (
	shownOfKey = 7  // characters after the prefix that a mask shows, as everywhere else
	keyBody    = 50 // base62 characters after "sk-" or "pk-"
)

// redact masks what has the shape of a key (sk- or pk- and 50 base62 characters,
// the hyphen perhaps percent-encoded), Basic credentials, and whatever stands in a
// /t/<key>/ path or in a query as token or auth. It returns b itself when there is nothing to mask; a mask is
// always shorter than what it covers.
func redact(b []byte) []byte {
	var out []byte
	kept := 0 // everything before it is in out
	for i := 0; i+2 < len(b); i++ {
		var from, to int
		switch b[i] {
		case 's', 'p', 'S', 'P':
			from, to = findKey(b, i)
		case '/':
			from, to = findPathKey(b, i)
		case 'b', 'B':
			from, to = findBasic(b, i)
		case '?', '&':
			from, to = findQueryKey(b, i)
		}
		if to == 0 {
			continue
		}
		out = append(append(out, b[kept:from]...), mask...)
		kept, i = to, to-1
	}
	if kept == 0 {
		return b
	}
	return append(out, b[kept:]...)
}

// findKey finds the secret part of a key that begins at i; to is 0 for none.
func findKey(b []byte, i int) (from, to int) {
	if b[i+1]|0x20 != 'k' {
		return 0, 0
	}
	from = i + 2
	switch {
	case b[from] == '-':
		from++
	case len(b) >= from+3 && bytes.EqualFold(b[from:from+3], []byte("%2d")):
		from += 3
	default:
		return 0, 0
	}
	for to = from; to < len(b) && isBase62(b[to]); to++ {
	}
	if to-from < keyBody {
		return 0, 0
	}
	return from + shownOfKey, to
}

// findPathKey finds what stands where a path has a key.
func findPathKey(b []byte, i int) (from, to int) {
	if b[i+1] != 't' || b[i+2] != '/' {
		return 0, 0
	}
	from = i + 3
	for to = from; to < len(b) && !bytes.ContainsRune([]byte("/\"' ?\\,"), rune(b[to])); to++ {
	}
	if to-from <= len(mask) {
		return 0, 0 // too short to be a key
	}
	return from, to
}

// findQueryKey finds a credential in a URL's query, where none is taken, of whatever
// form it is: its owner may have it somewhere else.
func findQueryKey(b []byte, i int) (from, to int) {
	for _, name := range [...]string{"token=", "auth="} {
		if from = i + 1 + len(name); from > len(b) || !bytes.EqualFold(b[i+1:from], []byte(name)) {
			continue
		}
		for to = from; to < len(b) && !bytes.ContainsRune([]byte("&\"' \\"), rune(b[to])); to++ {
		}
		if to-from > len(mask) {
			return from, to
		}
	}
	return 0, 0
}

// findBasic finds a Basic credential (RFC 7617), which holds a key in base64.
func findBasic(b []byte, i int) (from, to int) {
	const scheme = "basic "
	if from = i + len(scheme); from > len(b) || !bytes.EqualFold(b[i:from], []byte(scheme)) {
		return 0, 0
	}
	for to = from; to < len(b) && (isBase62(b[to]) || b[to] == '+' || b[to] == '/' || b[to] == '='); to++ {
	}
	if to-from < keyBody {
		return 0, 0 // the word in a text
	}
	return from, to
}

const mask = "****"

func isBase62(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

var (
	_ caddy.Provisioner                = (*RedactEncoder)(nil)
	_ caddyfile.Unmarshaler            = (*RedactEncoder)(nil)
	_ zapcore.Encoder                  = (*RedactEncoder)(nil)
	_ caddy.ConfiguresFormatterDefault = (*RedactEncoder)(nil)
)
