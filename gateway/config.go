package gateway

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/fairwayhq/fairway/conda"
	"github.com/fairwayhq/fairway/oidc"
	"github.com/fairwayhq/fairway/passthrough"
	"github.com/fairwayhq/fairway/python"
)

// Config says how a gateway works. Every field but Dir may be left zero: its
// default is what the comment says.
type Config struct {
	Dir     string // data folder; made if missing
	Account string // slug of the one account; "default"

	MaxUpload      int64         // largest package file, bytes; 10 GiB
	MaxAttestation int64         // largest attestation of an upload, bytes; 1 MiB
	Conda          conda.Limits  // limits of what is read out of an archive
	ShardRetention time.Duration // how long a superseded shard is served; 7 days, the least that CEP 16 asks
	BlobGrace      time.Duration // how long the bytes of a deleted file are kept; 24 h
	AuditRetention time.Duration // how long audit rows are kept; 0 keeps them

	FailuresPerMinute int           // wrong credentials per client address before 429; 30
	PublicKeyTTL      time.Duration // life of a public key when its request names none; 24 h
	NoAnonymous       bool          // open resources need a key too

	// PublicURL is where clients find the gateway ("https://packages.example.com"): what
	// must be an absolute URL begins with it. Empty: no such URL is emitted.
	PublicURL string

	Python python.Limits // limits of what is read out of a Python archive

	// UpstreamConflict says what the first upload of a Python name does which the
	// upstream has too: ConflictKnown (default), ConflictWarn or ConflictRefuse.
	UpstreamConflict     string
	AnonymousPassthrough bool // the pass-through needs no key

	Passthrough *passthrough.Config // nil: no upstream

	TrustedPublishers []TrustedPublisher // CI jobs that get a key for their OIDC token

	Now     func() time.Time                   // clock; time.Now
	Log     *zap.Logger                        // of background work; none
	Observe func(name string, d time.Duration) // phases of a publish
	Crash   func(point string)                 // called at named points; tests end the process there
}

// What the first upload of a Python name does which the upstream has too.
const (
	ConflictKnown  = "known"  // warns if that is known already; the upstream is not told the name
	ConflictWarn   = "warn"   // asks the upstream, and warns
	ConflictRefuse = "refuse" // asks the upstream, and refuses
)

// Defaults of [Config].
const (
	DefaultMaxUpload         = 10 << 30
	DefaultMaxAttestation    = 1 << 20
	DefaultShardRetention    = 7 * 24 * time.Hour
	DefaultBlobGrace         = 24 * time.Hour
	DefaultFailuresPerMinute = 30
	DefaultPublicKeyTTL      = 24 * time.Hour
)

// accountSlug is what the account may be called.
var accountSlug = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// validate refuses settings that no gateway can work with.
func (c *Config) validate() error {
	switch c.UpstreamConflict {
	case "", ConflictKnown, ConflictWarn, ConflictRefuse:
	default:
		return fmt.Errorf("upstream_conflict is %q: known, warn or refuse is expected", c.UpstreamConflict)
	}
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		return errors.New("public_url is no URL of a gateway: http or https, a host and perhaps a path are expected")
	}
	if c.Account != "" && !accountSlug.MatchString(c.Account) {
		return fmt.Errorf("account is %.80q: 1 to 64 letters, digits, '.', '_' and '-', the first a letter or digit, are expected", c.Account)
	}
	if _, err := oidc.New(c.publishers(), oidc.Options{}); err != nil {
		return err
	}
	if c.Passthrough != nil {
		pass := *c.Passthrough
		pass.Dir = orDefault(pass.Dir, c.Dir)
		return pass.Validate()
	}
	return nil
}

// publishers are whose tokens are trusted.
func (c *Config) publishers() []oidc.Publisher {
	list := make([]oidc.Publisher, len(c.TrustedPublishers))
	for i := range list {
		list[i] = c.TrustedPublishers[i].Publisher
	}
	return list
}

func (c Config) withDefaults() Config {
	if c.Account == "" {
		c.Account = "default"
	}
	c.MaxUpload = orDefault(c.MaxUpload, DefaultMaxUpload)
	c.MaxAttestation = orDefault(c.MaxAttestation, DefaultMaxAttestation)
	c.ShardRetention = orDefault(c.ShardRetention, DefaultShardRetention)
	c.BlobGrace = orDefault(c.BlobGrace, DefaultBlobGrace)
	c.FailuresPerMinute = orDefault(c.FailuresPerMinute, DefaultFailuresPerMinute)
	c.PublicKeyTTL = orDefault(c.PublicKeyTTL, DefaultPublicKeyTTL)
	if c.UpstreamConflict == "" {
		c.UpstreamConflict = ConflictKnown
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	if c.Passthrough != nil {
		pass := *c.Passthrough
		pass.PublicURL = c.PublicURL
		c.Passthrough = &pass
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	if c.Observe == nil {
		c.Observe = func(string, time.Duration) {}
	}
	if c.Crash == nil {
		c.Crash = func(string) {}
	}
	return c
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
