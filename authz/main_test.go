package authz

import (
	"crypto/sha256"
	"net/netip"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when tests happen, in Unix milliseconds.
const noon = int64(1_800_000_000_000)

var (
	here = netip.MustParseAddr("192.0.2.7")

	opened   = &Resource{Engine: EngineConda, Channel: "pub", Visibility: Open}
	licensed = &Resource{Engine: EngineConda, Channel: "main"}
)

// newRing makes a ring that knows the roles.
func newRing() *Ring {
	r := NewRing()
	for _, p := range BuiltinPolicies() {
		r.SetPolicy(p)
	}
	return r
}

// mint puts a key into the ring and returns its token. It is enabled, and its id
// and name are "k" unless said otherwise.
func mint(r *Ring, k Key) string {
	token, s := NewToken(k.Type)
	set(r, &k, s)
	return token
}

func set(r *Ring, k *Key, secrets ...Secret) {
	if k.ID == "" {
		k.ID = "k"
	}
	k.Name, k.KID, k.Enabled = k.ID, secrets[0].KID, true
	r.SetKey(*k, secrets)
}

// status is what a decision answers: 200, 401 or 403.
func status(_ *Grant, err error) int {
	if err == nil {
		return 200
	}
	return err.(*Denied).Status
}

func names(t testing.TB, patterns ...string) Names {
	t.Helper()
	n, err := ParseNames(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func sha(token string) [32]byte { return sha256.Sum256([]byte(token)) }
