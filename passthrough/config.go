package passthrough

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"
)

// Mode says what is done with a name that is not owned here.
type Mode uint8

// Modes of a pass-through.
const (
	Proxy    Mode = iota // fetch, verify, cache and serve pages and files
	Redirect             // 307 to the upstream's page
	Index                // cache and serve pages; their file links go to the upstream
)

// String is the word for m in configuration: "proxy", "redirect" or "index".
func (m Mode) String() string {
	switch m {
	case Proxy:
		return "proxy"
	case Redirect:
		return "redirect"
	case Index:
		return "index"
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// ParseMode reads a word of [Mode.String].
func ParseMode(s string) (Mode, error) {
	for m := Proxy; m <= Index; m++ {
		if s == m.String() {
			return m, nil
		}
	}
	return 0, fmt.Errorf("pass-through mode is %q: expected proxy, redirect or index", s)
}

// Upstream is one simple index that unknown names are passed through to.
type Upstream struct {
	Name      string   // "pypi": names it in metrics, files' URLs and messages; lower-case letters, digits and '-'
	URL       string   // of the simple index, ending in "/simple/"; no credentials, no query
	Username  string   // sent to the URL's own scheme, host and port only; "" for none
	Password  string   // likewise
	FileHosts []string // host or host:port that files may come from beside the URL's own; PyPI's file host is known
}

// Config says how a pass-through works. Zero fields take their defaults.
type Config struct {
	Dir       string     // cache folder; safe to delete
	Upstreams []Upstream // asked in order; the first that has a name owns it
	// Mode is what [Mirror.Page] is usually asked for. Cooldown cannot be enforced by
	// a redirect: with it, a redirect becomes an index page; Offline makes every mode a proxy.
	Mode Mode
	// PublicURL is where clients find the gateway ("https://packages.example.com"):
	// proxy pages lead to provenance below its /pypi/integrity/. Empty: they lead to
	// the upstream's, for such a link must be absolute (PEP 740).
	PublicURL string

	Allow, Deny []string      // globs ('*', '?') over normalised names; Deny wins, an empty Allow allows all
	Cooldown    time.Duration // files younger than this are withheld; 0 for none
	// CooldownExempt are "name" or "name==version" entries, globs allowed in the name.
	CooldownExempt []string
	Offline        bool // nothing is fetched; what is stored is served

	PageFreshness  time.Duration // longest time a page is served without asking; 600 s
	NegativeTTL    time.Duration // how long "no such project" is remembered; 30 s
	StaleFor       time.Duration // how long a page may be served after it went stale when the upstream fails; 7 days
	CacheBytes     int64         // disk budget of cached files; 50 GiB
	MemoryBytes    int64         // budget of hot pages and metadata in memory; 64 MiB
	MaxPage        int64         // largest upstream page, bytes, unpacked; 64 MiB
	MaxFile        int64         // largest upstream file, bytes; 10 GiB
	ConnectTimeout time.Duration // 10 s
	PageTimeout    time.Duration // for a whole page, of one upstream; 30 s
	StallTimeout   time.Duration // longest pause in a file's body, and before it; 30 s
	BreakerAfter   int           // failures in a row that open the circuit of an upstream; 5
	BreakerFor     time.Duration // how long it stays open; 30 s
	// PrivateHosts are host names or host:port that may resolve to loopback, private or
	// link-local addresses; all others are refused at dial time. The host of an
	// upstream's URL needs no entry, nor does a file host that is written as such an
	// address or as "localhost".
	PrivateHosts []string

	Transport http.RoundTripper  // for tests; nil for one of its own. It takes the place of the dial-time checks
	Now       func() time.Time   // clock; time.Now
	Log       *zap.Logger        // of background work; none
	Crash     func(point string) // called at "fill.verified" and "fill.stored"; tests end the process there
}

// Defaults of [Config].
const (
	DefaultPageFreshness  = 600 * time.Second
	DefaultNegativeTTL    = 30 * time.Second
	DefaultStaleFor       = 7 * 24 * time.Hour
	DefaultCacheBytes     = 50 << 30
	DefaultMemoryBytes    = 64 << 20
	DefaultMaxPage        = 64 << 20
	DefaultMaxFile        = 10 << 30
	DefaultConnectTimeout = 10 * time.Second
	DefaultPageTimeout    = 30 * time.Second
	DefaultStallTimeout   = 30 * time.Second
	DefaultBreakerAfter   = 5
	DefaultBreakerFor     = 30 * time.Second
)

// PyPI is the public Python index.
func PyPI() Upstream { return Upstream{Name: "pypi", URL: "https://" + pypiHost + "/simple/"} }

// PyPI keeps its pages and its files on two hosts.
const pypiHost, pypiFiles = "pypi.org", "files.pythonhosted.org"

func (c Config) withDefaults() Config {
	set(&c.PageFreshness, DefaultPageFreshness)
	set(&c.NegativeTTL, DefaultNegativeTTL)
	set(&c.StaleFor, DefaultStaleFor)
	set(&c.CacheBytes, DefaultCacheBytes)
	set(&c.MemoryBytes, DefaultMemoryBytes)
	set(&c.MaxPage, DefaultMaxPage)
	set(&c.MaxFile, DefaultMaxFile)
	set(&c.ConnectTimeout, DefaultConnectTimeout)
	set(&c.PageTimeout, DefaultPageTimeout)
	set(&c.StallTimeout, DefaultStallTimeout)
	set(&c.BreakerAfter, DefaultBreakerAfter)
	set(&c.BreakerFor, DefaultBreakerFor)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	if c.Crash == nil {
		c.Crash = func(string) {}
	}
	return c
}

func set[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Validate reports the first setting that cannot work. Its error never holds a
// credential.
func (c Config) Validate() error {
	if c.Dir == "" {
		return errors.New("pass-through has no cache folder")
	}
	if len(c.Upstreams) == 0 {
		return errors.New("pass-through has no upstream")
	}
	if c.Mode > Index {
		return fmt.Errorf("pass-through mode is %d: expected proxy, redirect or index", c.Mode)
	}
	seen := map[string]bool{}
	for _, u := range c.Upstreams {
		if seen[u.Name] {
			return fmt.Errorf("upstream %q is configured twice", u.Name)
		}
		seen[u.Name] = true
		if _, err := newUpstream(u); err != nil {
			return err
		}
	}
	if _, err := newRules(c); err != nil {
		return err
	}
	for _, h := range c.PrivateHosts {
		if err := checkPrivateHost(h); err != nil {
			return err
		}
	}
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"cooldown", int64(c.Cooldown)},
		{"page freshness", int64(c.PageFreshness)},
		{"negative TTL", int64(c.NegativeTTL)},
		{"stale time", int64(c.StaleFor)},
		{"disk budget", c.CacheBytes},
		{"memory budget", c.MemoryBytes},
		{"largest page", c.MaxPage},
		{"largest file", c.MaxFile},
		{"connect timeout", int64(c.ConnectTimeout)},
		{"page timeout", int64(c.PageTimeout)},
		{"stall timeout", int64(c.StallTimeout)},
		{"breaker threshold", int64(c.BreakerAfter)},
		{"breaker time", int64(c.BreakerFor)},
	} {
		if n.value < 0 {
			return fmt.Errorf("pass-through %s is negative", n.name)
		}
	}
	return nil
}

// parseIndexURL reads the URL of a simple index.
func parseIndexURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil: // its text may hold a credential
		return nil, errors.New("expected an http or https URL ending in /simple/")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, errors.New("expected an http or https URL with a host")
	case u.User != nil:
		return nil, errors.New("it holds credentials: expected them as user name and password of their own")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("it holds a query or a fragment: expected neither")
	}
	if !strings.HasSuffix(u.Path, "/") {
		u = u.JoinPath("/")
	}
	return u, nil
}
