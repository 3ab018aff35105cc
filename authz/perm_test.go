package authz

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// roleTable is the published table: a permission, and the roles that hold it.
const roleTable = `
channel:read         reader executor application developer admin
package:read         reader executor application developer admin
engine:read          reader executor application developer admin
proxy:fetch          executor application developer admin
key:request-public   application developer admin
package:read-closed  developer admin
package:upload       developer admin
package:yank         developer admin
channel:create       developer admin
channel:update       developer admin
channel:reindex      developer admin
package:overwrite    admin
package:delete       admin
channel:delete       admin
cache:purge          admin
key:read             admin
key:create           admin
key:update           admin
key:delete           admin
key:rotate           admin
policy:read          admin
policy:create        admin
policy:update        admin
policy:delete        admin
project:update       admin
audit:read           admin
metrics:read         admin
`

// roles is roleTable as sets: role, permission.
func roles() map[string]map[string]bool {
	out := map[string]map[string]bool{}
	for line := range strings.Lines(strings.TrimSpace(roleTable)) {
		fields := strings.Fields(line)
		for _, role := range fields[1:] {
			if out[role] == nil {
				out[role] = map[string]bool{}
			}
			out[role][fields[0]] = true
		}
	}
	return out
}

func TestBuiltinPoliciesHoldThePublishedPermissions(t *testing.T) {
	t.Parallel()
	got := map[string]map[string]bool{}
	for _, p := range BuiltinPolicies() {
		if p.ID != p.Name || !p.Builtin {
			t.Errorf("policy %+v: its id is its name, and it is built in", p)
		}
		got[p.Name] = map[string]bool{}
		for _, name := range p.Mask.Names() {
			got[p.Name][name] = true
		}
	}
	if diff := cmp.Diff(roles(), got); diff != "" {
		t.Error(diff)
	}
}

func TestEveryPermissionIsDeclaredOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for i, p := range Permissions() {
		if p.Perm != Perm(i) || p.Name == "" || p.Description == "" || seen[p.Name] {
			t.Errorf("permission %d is %+v", i, p)
		}
		seen[p.Name] = true
		if back, err := ParsePerm(p.Name); err != nil || back != p.Perm || p.Perm.String() != p.Name {
			t.Errorf("ParsePerm(%s) = %v, %v", p.Name, back, err)
		}
	}
	if len(seen) != int(NumPerms) {
		t.Errorf("%d permissions are declared, of %d", len(seen), NumPerms)
	}
}

func TestPermissionsByName(t *testing.T) {
	t.Parallel()
	m, err := ParseMask([]string{"channel:upload", "channel:delete-package", "package:upload"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"package:upload", "package:delete"}, m.Names()); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", "*", "package:*", "package", "Package:Read", " package:read", "admin", "permission(3)"} {
		if _, err := ParseMask([]string{"package:read", bad}); err == nil || !strings.Contains(err.Error(), `"`+bad+`"`) {
			t.Errorf("ParseMask(%q) = %v, which does not name it", bad, err)
		}
	}
	if m, err := ParseMask(nil); m != 0 || err != nil || m.Names() == nil {
		t.Errorf("no names are %v, %v: the set that grants nothing is expected", m, err)
	}
	if got := Perm(200).String(); got != "permission(200)" || everything.Has(200) {
		t.Errorf("an unknown permission is %s", got)
	}
}

func TestVisibilityAndTypeByName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Visibility{"open": Open, "LICENSED": Licensed, "Closed": Closed} {
		if got, err := ParseVisibility(name); got != want || err != nil || !strings.EqualFold(got.String(), name) {
			t.Errorf("ParseVisibility(%s) = %v, %v", name, got, err)
		}
	}
	for _, kt := range []KeyType{SecretKey, PublicKey} {
		if back, err := ParseKeyType(kt.String()); back != kt || err != nil {
			t.Errorf("ParseKeyType(%s) = %v, %v", kt, back, err)
		}
	}
	_, err := ParseVisibility("public")
	_, err2 := ParseKeyType("SK")
	if err == nil || err2 == nil {
		t.Error("an unknown word is taken")
	}
}
