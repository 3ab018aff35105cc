package passthrough

import (
	"net/http"
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

// Upstream is one simple index that unknown names are passed through to.
type Upstream struct {
	Name      string   // "pypi": names it in metrics, files' URLs and messages
	URL       string   // of the simple index, ending in "/simple/"
	Username  string   // sent to the URL's own host only; "" for none
	Password  string   // likewise
	FileHosts []string // hosts that files may come from beside the URL's own
}

// Config says how a pass-through works. Zero fields take their defaults.
type Config struct {
	Dir       string     // cache folder; safe to delete
	Upstreams []Upstream // asked in order; the first that has a name owns it
	Mode      Mode

	Allow, Deny []string      // globs over normalised names; Deny wins, an empty Allow allows all
	Cooldown    time.Duration // files younger than this are withheld; 0 for none
	// CooldownExempt are "name" or "name==version" entries, globs allowed in the name.
	CooldownExempt []string
	Offline        bool // nothing is fetched; what is stored is served

	PageFreshness  time.Duration // longest time a page is served without asking; 600 s
	NegativeTTL    time.Duration // how long "no such project" is remembered; 30 s
	StaleFor       time.Duration // how long a page may be served after it went stale when the upstream fails; 7 days
	CacheBytes     int64         // disk budget of cached files; 50 GiB
	MemoryBytes    int64         // budget of hot pages and metadata in memory; 64 MiB
	MaxPage        int64         // largest upstream page, bytes; 64 MiB
	MaxFile        int64         // largest upstream file, bytes; 10 GiB
	ConnectTimeout time.Duration // 10 s
	PageTimeout    time.Duration // for a whole page; 30 s
	StallTimeout   time.Duration // longest pause in a file's body; 30 s
	BreakerAfter   int           // failures in a row that open the circuit of an upstream; 5
	BreakerFor     time.Duration // how long it stays open; 30 s
	// PrivateHosts are host names or host:port that may resolve to loopback, private or
	// link-local addresses; all others are refused at dial time.
	PrivateHosts []string

	Transport http.RoundTripper // for tests; nil for one of its own
	Now       func() time.Time
	Log       *zap.Logger
	Crash     func(point string)
}
