package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/blob"
	"github.com/fairwayhq/fairway/catalog"
	"github.com/fairwayhq/fairway/indexer"
	"github.com/fairwayhq/fairway/oidc"
	"github.com/fairwayhq/fairway/passthrough"
	"github.com/fairwayhq/fairway/python"
)

// Gateway is the running state of one data folder. Its methods may be called
// from any goroutine until [Gateway.Close].
type Gateway struct {
	cfg  atomic.Pointer[Config] // replaced by ApplySettings; never nil
	log  *zap.Logger            // writes to the Log of the newest cfg
	lock *blob.DirLock
	root []byte // what public keys are derived from

	cat        *catalog.Store
	blobs      *blob.Store
	index      *indexer.Set
	ring       *authz.Ring
	limiter    atomic.Pointer[authz.Limiter]
	dir        *directory
	files      *fileCache[FileInfo]
	py         *pyDirectory
	pyFiles    *fileCache[PyFileInfo]
	pyIndexes  *lru.Cache[[32]byte, *python.Rendered]
	pass       atomic.Pointer[passthrough.Mirror] // nil: no upstream
	account    atomic.Pointer[catalog.Account]
	passMu     sync.Mutex                       // of retiring, held while pass is replaced
	retiring   map[*passthrough.Mirror]struct{} // replaced, with something under way yet
	retirees   sync.WaitGroup
	oidc       atomic.Pointer[trusted] // nil: no trusted publisher
	usedTokens oidc.Used

	inspecting chan struct{} // holds a token for each archive that is being read
	searching  chan struct{} // and for each search
	counters   Counters
	refusals   *rate.Limiter
	minting    sync.Mutex             // one public key is looked for and minted at a time
	sweep      sync.RWMutex           // held for reading from a blob's commit to its row
	unnamed    map[[32]byte]time.Time // bytes without a row, and since when; of housekeeping

	ready  atomic.Bool
	behind atomic.Bool // memory cannot follow the catalog
	leases leases
	stop   context.CancelFunc
	loops  sync.WaitGroup
}

// Open opens a data folder, which one process owns at a time. When it returns,
// every index of the catalog can be served.
func Open(ctx context.Context, cfg Config) (_ *Gateway, err error) {
	cfg = cfg.withDefaults()
	if cfg.Dir == "" {
		return nil, errors.New("opening gateway: no data folder is named")
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	g := &Gateway{dir: newDirectory(), ring: authz.NewRing(), files: newFileCache[FileInfo](fileCacheSize),
		py: newPyDirectory(), pyFiles: newFileCache[PyFileInfo](pyFileCacheSize), pyIndexes: newIndexPages(),
		inspecting: make(chan struct{}, maxInspections), searching: make(chan struct{}, maxSearches),
		refusals: rate.NewLimiter(refusalSample, refusalSample),
	}
	g.cfg.Store(&cfg)
	g.log = zap.New(&liveCore{g: g})
	defer func() {
		if err != nil {
			_ = g.closeAll()
		}
	}()
	if err := g.trustPublishers(); err != nil {
		return nil, err
	}
	if g.lock, err = blob.LockDir(cfg.Dir); err != nil {
		return nil, err
	}
	root, cat := filepath.Join(cfg.Dir, "root.key"), filepath.Join(cfg.Dir, "catalog.db")
	g.limiter.Store(authz.NewLimiter(cfg.FailuresPerMinute, cfg.FailuresPerMinute, 0))
	g.settleAnonymous()
	if g.cat, err = openCatalog(cat, root, catalog.Options{Now: cfg.Now, Crash: cfg.Crash}); err != nil {
		return nil, err
	}
	if g.root, err = rootKey(root); err != nil {
		return nil, err
	}
	g.cat.Subscribe(g.apply)
	if g.blobs, err = blob.Open(filepath.Join(cfg.Dir, "blobs"), blob.Options{MaxSize: cfg.MaxUpload, Crash: cfg.Crash}); err != nil {
		return nil, err
	}
	if err := g.settleAccount(ctx); err != nil {
		return nil, err
	}
	if err := g.loadAll(ctx); err != nil {
		return nil, err
	}
	if err := g.openPass(); err != nil {
		return nil, err
	}
	background, stop := context.WithCancel(context.Background())
	g.stop = stop
	g.loops.Add(1)
	go g.housekeeping(background)
	g.ready.Store(true)
	return g, nil
}

// Ready reports whether every index can be served.
func (g *Gateway) Ready() bool { return g.ready.Load() }

// Account is the organisation this gateway serves.
func (g *Gateway) Account() catalog.Account { return *g.account.Load() }

// Index is the set of conda indexes, for reading.
func (g *Gateway) Index() *indexer.Set { return g.index }

// closeGrace bounds how long Close waits for requests that still run.
const closeGrace = 30 * time.Second

// Close waits for what is under way, flushes, and gives the folder up.
func (g *Gateway) Close() error {
	g.ready.Store(false)
	if !g.leases.drain(closeGrace) {
		g.log.Warn("requests still run after the grace period; closing under them", zap.Duration("grace", closeGrace))
	}
	return g.closeAll()
}

func (g *Gateway) closeAll() error {
	var errs []error
	if g.stop != nil {
		g.stop()
		g.loops.Wait()
		g.flushTouched(context.Background())
	}
	errs = append(errs, g.closePass())
	if g.index != nil {
		errs = append(errs, g.index.Close())
	}
	if g.blobs != nil {
		errs = append(errs, g.blobs.Close())
	}
	if g.cat != nil {
		errs = append(errs, g.cat.Close())
	}
	if g.lock != nil {
		errs = append(errs, g.lock.Unlock())
	}
	return errors.Join(errs...)
}

// Acquire keeps the gateway open until release is called; ok is false once it
// closes.
func (g *Gateway) Acquire() (release func(), ok bool) {
	if !g.leases.acquire() {
		return nil, false
	}
	return g.leases.release, true
}

// Closed says why no lease is given.
func (g *Gateway) Closed() *Error {
	if g.behind.Load() {
		return Errorf(http.StatusServiceUnavailable, "the gateway cannot read back what was changed, and serves nothing until it is restarted: its log says why")
	}
	return Errorf(http.StatusServiceUnavailable, "the gateway is closing: try again in a moment")
}

// settleAccount makes the account carry the configured slug, and the built-in
// policies what this version declares.
func (g *Gateway) settleAccount(ctx context.Context) error {
	acc, err := g.cat.Account(ctx)
	if err != nil {
		return fmt.Errorf("reading account: %w", err)
	}
	if acc.Slug != g.conf().Account {
		_, err := g.cat.Update(ctx, catalog.Actor{Name: "local"}, func(tx *catalog.Tx) error {
			if err := tx.SetAccountSlug(g.conf().Account); err != nil {
				return err
			}
			return tx.Audit("account.rename", "account", acc.ID, acc.Slug, g.conf().Account)
		})
		if err != nil {
			return fmt.Errorf("naming account: %w", err)
		}
		acc.Slug = g.conf().Account
	}
	g.account.Store(&acc)
	return g.settlePolicies(ctx)
}

// settlePolicies stores the built-in policies as this version declares them.
func (g *Gateway) settlePolicies(ctx context.Context) error {
	have, err := g.cat.Policies(ctx)
	if err != nil {
		return fmt.Errorf("reading policies: %w", err)
	}
	byID := make(map[string]*catalog.Policy, len(have))
	for _, p := range have {
		byID[p.ID] = p
	}
	for _, want := range authz.BuiltinPolicies() {
		row := &catalog.Policy{ID: want.ID, Name: want.Name, Permissions: want.Mask.Names(), Builtin: true}
		old, ok := byID[want.ID]
		if ok {
			if mask, err := authz.ParseMask(old.Permissions); err == nil && mask == want.Mask {
				continue
			}
		}
		_, err := g.cat.Update(ctx, catalog.Actor{Name: "local"}, func(tx *catalog.Tx) error {
			if ok {
				row.CreatedAt = old.CreatedAt
				if err := tx.UpdatePolicy(row); err != nil {
					return err
				}
			} else if err := tx.InsertPolicy(row); err != nil {
				return err
			}
			return tx.Audit("policy.settle", "policy", row.ID, nil, auditPolicy(row))
		})
		if err != nil {
			return fmt.Errorf("storing built-in policy %s: %w", want.Name, err)
		}
	}
	return nil
}
