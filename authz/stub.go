package authz

import (
	"errors"
	"net/http"
	"net/netip"
	"time"
)

type Perm uint8

const (
	ChannelRead Perm = iota
	PackageRead
	EngineRead
	ProxyFetch
	KeyRequestPublic
	PackageReadClosed
	PackageUpload
	PackageYank
	ChannelCreate
	ChannelUpdate
	ChannelReindex
	PackageOverwrite
	PackageDelete
	ChannelDelete
	CachePurge
	KeyRead
	KeyCreate
	KeyUpdate
	KeyDelete
	KeyRotate
	PolicyRead
	PolicyCreate
	PolicyUpdate
	PolicyDelete
	ProjectUpdate
	AuditRead
	MetricsRead
	NumPerms
)

func (p Perm) String() string { panic("") }

type Permission struct {
	Perm        Perm
	Name        string
	Description string
}

func Permissions() []Permission                    { panic("") }
func ParsePerm(name string) (Perm, error)          { panic("") }
func ParseMask(names []string) (Mask, error)       { panic("") }
func ParseVisibility(s string) (Visibility, error) { panic("") }
func ParseKeyType(s string) (KeyType, error)       { panic("") }

type Mask uint64

func (m Mask) Has(p Perm) bool       { panic("") }
func (m Mask) Within(held Mask) bool { panic("") }
func (m Mask) Names() []string       { panic("") }

type Visibility uint8

const (
	Licensed Visibility = iota
	Open
	Closed
)

func (v Visibility) String() string { panic("") }

type KeyType uint8

const (
	SecretKey KeyType = iota
	PublicKey
)

func (t KeyType) String() string { panic("") }

type Names struct{}

func ParseNames(patterns []string) (Names, error) { panic("") }

type Scope struct{ Engines, Channels, Subdirs, Packages Names }

func (s Scope) MarshalJSON() ([]byte, error) { panic("") }
func (s *Scope) UnmarshalJSON([]byte) error  { panic("") }

type Resource struct {
	Engine, Project, Channel, Subdir, Package string
	Visibility                                Visibility
}
type Key struct {
	ID, Name, KID string
	Type          KeyType
	PolicyID      string
	Project       string
	Scope         Scope
	CIDRs         []netip.Prefix
	Enabled       bool
	ExpiresAt     int64
	IssuerID      string
}
type Secret struct {
	KID, KeyID string
	SHA256     [32]byte
	NotAfter   int64
	Nonce      []byte
}
type Policy struct {
	ID, Name string
	Mask     Mask
	Builtin  bool
}

func BuiltinPolicies() []Policy { panic("") }

type Grant struct{ Key *Key }

func (g *Grant) Mask() Mask { panic("") }

type Denied struct {
	Status int
	Reason string
}

func (d *Denied) Error() string { panic("") }

type Ring struct{}

func NewRing() *Ring                                 { panic("") }
func (r *Ring) SetAnonymous(m Mask)                  { panic("") }
func (r *Ring) SetKey(k Key, secrets []Secret)       { panic("") }
func (r *Ring) RemoveKey(id string)                  { panic("") }
func (r *Ring) SetPolicy(p Policy)                   { panic("") }
func (r *Ring) RemovePolicy(id string)               { panic("") }
func (r *Ring) Policy(id string) (Policy, bool)      { panic("") }
func (r *Ring) PolicyByName(n string) (Policy, bool) { panic("") }
func (r *Ring) Key(id string) (Key, bool)            { panic("") }
func (r *Ring) Decide(token string, p Perm, res *Resource, ip netip.Addr, now int64) (*Grant, error) {
	panic("")
}
func (r *Ring) Authenticate(token string, ip netip.Addr, now int64) (*Grant, error) { panic("") }

type Touch struct {
	KeyID string
	At    int64
}

func (r *Ring) Touched() []Touch { panic("") }

func CanGrant(g *Grant, p Policy, k Key) error                                     { panic("") }
func NewToken(t KeyType) (token string, s Secret)                                  { panic("") }
func DeriveToken(root []byte, keyID string, nonce []byte) (token string, s Secret) { panic("") }

type Limiter struct{}

func NewLimiter(perMinute, burst, maxClients int) *Limiter   { panic("") }
func (l *Limiter) Blocked(ip netip.Addr, now time.Time) bool { panic("") }
func (l *Limiter) Failed(ip netip.Addr, now time.Time)       { panic("") }

var (
	ErrTwoCredentials = errors.New("")
	ErrQueryToken     = errors.New("")
)

func Credentials(r *http.Request, pathToken string) (token string, err error) { panic("") }
