package catalog

import (
	"encoding/json"
)

// Project owns channels and Python packages.
type Project struct {
	ID        string // see [NewID]
	Name      string // unique
	CreatedAt int64
	UpdatedAt int64
}

// Policy is a named set of permissions. The permissions are names which the
// catalog does not interpret.
type Policy struct {
	ID          string
	Name        string // unique
	Permissions []string
	Builtin     bool
	CreatedAt   int64
	UpdatedAt   int64
}

// Key is an API key, without anything it could be used with: of its secrets only
// digests are kept.
type Key struct {
	ID         string
	Name       string
	Type       string // "sk" or "pk"
	PolicyID   string
	ProjectID  string // "" for the whole account
	Scope      json.RawMessage
	CIDRs      []string
	Enabled    bool
	ExpiresAt  int64  // 0 for never
	IssuerID   string // key that made this one, which dies with it; "" for none
	CreatedBy  string
	CreatedAt  int64
	UpdatedAt  int64
	LastUsedAt int64
	Secrets    []Secret // the one without an end first, then newest first
}

// Secret is one accepted secret of a key.
type Secret struct {
	KID       string // public part, unique in the account
	SHA256    [32]byte
	NotAfter  int64  // 0 for as long as the key lives
	Nonce     []byte // what a "pk" secret is derived from; nil for "sk"
	CreatedAt int64
}

// Channel is a conda channel. Its name never changes.
type Channel struct {
	ID          int64 // set by [Tx.InsertChannel]
	Name        string
	ProjectID   string // "" for none
	Visibility  string // "open", "licensed" or "closed"
	Description string
	Notices     json.RawMessage // notices.json as served; nil for none
	CreatedAt   int64
	UpdatedAt   int64
}

// Package is one conda package file.
type Package struct {
	ID          int64 // set by [Tx.InsertPackage]
	ChannelID   int64
	Subdir      string
	Filename    string
	Name        string
	Version     string
	Build       string
	BuildNumber int64
	SHA256      [32]byte
	MD5         [16]byte
	Size        int64           // bytes
	Record      json.RawMessage // canonical record, as emitted in indexes
	RunExports  json.RawMessage
	About       json.RawMessage // what channeldata.json takes of about.json
	Index       json.RawMessage // info/index.json, verbatim
	Attestation []byte
	IndexedAt   int64 // first publication of these bytes under this name (CEP 47)
	UploadedAt  int64
	UploadedBy  string
	YankedAt    int64 // 0 for in the indexes
	YankReason  string
	Rev         int64 // revision of the last mutation; set by the catalog
}

// Entry is the part of a [Package] which indexes are made of. Reading it costs
// about a third of reading the package.
type Entry struct {
	Filename   string
	Name       string
	Record     json.RawMessage
	RunExports json.RawMessage
	YankedAt   int64
}

// Tombstone remembers bytes that were published under a file name and are not any
// more: deleted, or replaced. For conda, the same bytes coming back keep their
// time of first publication. For Python a file name is never used again (there
// IndexedAt is 0).
type Tombstone struct {
	Filename  string
	SHA256    [32]byte
	IndexedAt int64
	DeletedAt int64
}

// SubdirState is kept up to date by every mutation that touches the subdir.
type SubdirState struct {
	Subdir    string
	Rev       int64 // of the last mutation that touches the subdir
	ChangedAt int64 // in a later second than the change before, whatever the clock does: perhaps one to come
	Packages  int   // yanked ones included
	Yanked    int
}

// NameSummary is one name of a channel, over all its subdirs.
type NameSummary struct {
	Name       string
	Files      int // yanked ones included
	UploadedAt int64
}

// PyName is a Python project name.
type PyName struct {
	Name         string // normalised (PEP 503)
	Display      string // as its owner spells it
	ProjectID    string // "" for none
	Visibility   string
	Status       string // PEP 792; "" for active
	StatusReason string
	CreatedAt    int64
	UpdatedAt    int64 // of the row's own fields
	Rev          int64 // of the last mutation of the name or one of its files
	ChangedAt    int64 // when that was, as [SubdirState] has it
	Files        int   // yanked ones included
}

// PyFile is one wheel or sdist.
type PyFile struct {
	Name           string // normalised; must exist as a [PyName]
	Filename       string // unique in the account
	Version        string
	FileType       string // "bdist_wheel" or "sdist"
	SHA256         [32]byte
	MD5            [16]byte
	Blake2b        [32]byte // BLAKE2b-256
	Size           int64    // bytes
	RequiresPython string
	Metadata       []byte   // core metadata (PEP 658); nil in lists, see [Reader.PyFile]
	MetadataSHA256 [32]byte // zero for a file without metadata
	UploadedAt     int64
	UploadedBy     string
	Yanked         bool
	YankReason     string
	Provenance     []byte // PEP 740; nil in lists, see [Reader.PyFile]
	HasProvenance  bool   // set by the catalog
	Rev            int64  // revision of the last mutation; set by the catalog
}

// Actor is who asks for a mutation.
type Actor struct {
	KeyID     string // "" for nobody and for the local operator
	Name      string
	Address   string
	RequestID string
}

// AuditRow is one line of the audit trail.
type AuditRow struct {
	ID      int64 // grows; set by the catalog
	At      int64 // set by the catalog where 0
	Actor   Actor
	Action  string // "package.upload"
	Kind    string // of the target
	Target  string
	Before  json.RawMessage // nil for none
	After   json.RawMessage
	Outcome string // "ok" for mutations
}

// AuditFilter selects audit rows, newest first. Zero fields select everything.
type AuditFilter struct {
	Actor  string // key id or actor name
	Action string
	Kind   string
	Target string
	Since  int64 // at or after
	Until  int64 // before
	Before int64 // rows with a smaller ID: the last ID of the previous page
	Limit  int   // default 100, at most [MaxRows]
}

// Search selects names of a channel, in name order.
type Search struct {
	Contains string // part of the name, in any case of ASCII letters; "" for all
	After    string // names after this one, "" from the beginning
	Offset   int
	Limit    int // default 100, at most [MaxRows]
}

// Blob is a reference to the bytes of a package file.
type Blob struct {
	SHA256 [32]byte
	Size   int64 // bytes, as the row says
}

// Account is the organisation a gateway serves.
type Account struct {
	ID   string // UUID, made once
	Slug string // "default" until [Tx.SetAccountSlug]
}

// Kind says what a [Change] is about.
type Kind string

// The kinds of changes, with what their Parent and ID hold.
const (
	KindProject  Kind = "project"  // ID: project id
	KindPolicy   Kind = "policy"   // ID: policy id
	KindKey      Kind = "key"      // ID: key id
	KindChannel  Kind = "channel"  // ID: channel name
	KindConda    Kind = "conda"    // Parent: channel name/subdir. ID: file name, "" for every file
	KindPatch    Kind = "patch"    // Parent: channel name/subdir
	KindPyName   Kind = "pyname"   // ID: normalised name
	KindPyFile   Kind = "pyfile"   // Parent: normalised name. ID: file name, "" for every file
	KindReserved Kind = "reserved" // ID: pattern
	KindSetting  Kind = "setting"  // ID: key
)

// Change says that something was made, changed or removed at a revision; reading
// it tells which.
type Change struct {
	Rev    int64
	Kind   Kind
	Parent string
	ID     string
}
