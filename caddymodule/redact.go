package caddymodule

import (
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

var (
	_ caddy.Provisioner                = (*RedactEncoder)(nil)
	_ caddyfile.Unmarshaler            = (*RedactEncoder)(nil)
	_ zapcore.Encoder                  = (*RedactEncoder)(nil)
	_ caddy.ConfiguresFormatterDefault = (*RedactEncoder)(nil)
)
