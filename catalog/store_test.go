package catalog

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAccountIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a folder with % and ?", "catalog.db")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	s := openAt(t, path, Options{})
	first, err := s.Account(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(first.ID) || first.Slug != "default" {
		t.Errorf("account %+v", first)
	}
	update(t, s, func(tx *Tx) error { return tx.SetAccountSlug("acme") })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("catalog file: %v, %v, want mode 0600", fi.Mode(), err)
	}
	s = openAt(t, path, Options{})
	again, err := s.Account(ctx)
	if err != nil || again != (Account{ID: first.ID, Slug: "acme"}) {
		t.Errorf("after reopening: %+v, %v", again, err)
	}
	if s.Rev() != 1 {
		t.Errorf("revision after reopening is %d", s.Rev())
	}
}

func TestProjectsPoliciesKeys(t *testing.T) {
	t.Parallel()
	s := open(t, Options{Now: (&clock{5000}).now})
	project := &Project{ID: NewID(), Name: "web"}
	policy := &Policy{ID: "reader", Name: "reader", Permissions: []string{"channel:read", "package:read"}, Builtin: true}
	key := &Key{
		ID: "a", Name: "ci", Type: "sk", PolicyID: "reader", ProjectID: project.ID, Scope: json.RawMessage(`{"channels":["x*"]}`),
		CIDRs: []string{"10.0.0.0/8"}, Enabled: true, ExpiresAt: 9000, CreatedBy: "cli", CreatedAt: 4000,
		Secrets: []Secret{{KID: "kid1", SHA256: [32]byte{1}, Nonce: []byte{7}}},
	}
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.InsertProject(project), tx.InsertPolicy(policy), tx.InsertKey(key))
	})
	projects, err1 := s.Projects(ctx)
	policies, err2 := s.Policies(ctx)
	keys, err3 := s.Keys(ctx)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]*Project{{ID: project.ID, Name: "web", CreatedAt: 5000, UpdatedAt: 5000}}, projects); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]*Policy{policy}, policies); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]*Key{key}, keys); d != "" {
		t.Error(d)
	}
	if key.UpdatedAt != 4000 || key.Secrets[0].CreatedAt != 5000 {
		t.Errorf("times filled in: %+v", key)
	}

	key.Enabled, key.ProjectID, key.Scope = false, "", nil
	key.Secrets = []Secret{{KID: "kid2", SHA256: [32]byte{2}, CreatedAt: 6000}, {KID: "kid1", SHA256: [32]byte{1}, NotAfter: 7000, CreatedAt: 5000}}
	update(t, s, func(tx *Tx) error { return tx.UpdateKey(key) })
	got, err := s.Key(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(key, got); d != "" {
		t.Error(d)
	}
	if err := s.TouchKeys(ctx, map[string]int64{"a": 8000, "nobody": 1}); err != nil {
		t.Fatal(err)
	}
	if err := s.TouchKeys(ctx, map[string]int64{"a": 7000}); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Key(ctx, "a"); got.LastUsedAt != 8000 {
		t.Errorf("last used at %d: want the later of both, 8000", got.LastUsedAt)
	}
	if s.Rev() != 2 {
		t.Errorf("revision %d: touching keys must not advance it", s.Rev())
	}
}

func TestKeysDieWithPolicyAndIssuer(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	key := func(id, policy, issuer string) *Key {
		return &Key{ID: id, Name: id, Type: "sk", PolicyID: policy, IssuerID: issuer, Secrets: []Secret{{KID: id}}}
	}
	update(t, s, func(tx *Tx) error {
		return errors.Join(
			tx.InsertPolicy(&Policy{ID: "p", Name: "p"}), tx.InsertPolicy(&Policy{ID: "q", Name: "q"}),
			tx.InsertKey(key("root", "p", "")), tx.InsertKey(key("child", "q", "root")), tx.InsertKey(key("grandchild", "q", "child")),
			tx.InsertKey(key("other", "q", "")), tx.InsertKey(key("others-child", "p", "other")),
		)
	})
	var gone []string
	rev := update(t, s, func(tx *Tx) (err error) {
		gone, err = tx.DeleteKey("root")
		return err
	})
	if d := cmp.Diff([]string{"root", "child", "grandchild"}, gone); d != "" {
		t.Error(d)
	}
	changed, complete, err := s.ChangesSince(ctx, rev-1, KindKey, "")
	if err != nil || !complete || !cmp.Equal(changed, gone) {
		t.Errorf("changes %v, complete %v, %v", changed, complete, err)
	}
	update(t, s, func(tx *Tx) (err error) {
		gone, err = tx.DeletePolicy("p")
		return err
	})
	if d := cmp.Diff([]string{"others-child"}, gone); d != "" {
		t.Error(d)
	}
	keys, err := s.Keys(ctx)
	if err != nil || len(keys) != 1 || keys[0].ID != "other" || len(keys[0].Secrets) != 1 {
		t.Errorf("left: %v, %v", keys, err)
	}
}

// Each refusal is one of the sentinels, and leaves nothing behind.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	id := newChannel(t, s, "main")
	update(t, s, func(tx *Tx) error {
		return errors.Join(
			tx.InsertProject(&Project{ID: "p1", Name: "web"}), tx.InsertProject(&Project{ID: "p2", Name: "empty"}),
			tx.InsertPolicy(&Policy{ID: "q1", Name: "reader"}),
			tx.InsertKey(&Key{ID: "k1", PolicyID: "q1", Secrets: []Secret{{KID: "kid"}}}),
			tx.InsertChannel(&Channel{Name: "owned", ProjectID: "p1"}),
			tx.InsertPackage(pkg(id, "noarch", "a", "1", "x")),
			tx.InsertPyName(&PyName{Name: "six"}),
			tx.InsertPyFile(&PyFile{Name: "six", Filename: "six-1.tar.gz"}),
			tx.InsertPyFile(&PyFile{Name: "six", Filename: "six-2.tar.gz"}),
			tx.DeletePyFile("six-2.tar.gz"),
			tx.AddReserved("acme-*"),
		)
	})
	before := s.Rev()
	for name, c := range map[string]struct {
		fn   func(tx *Tx) error
		want error
	}{
		"project name taken":     {func(tx *Tx) error { return tx.InsertProject(&Project{ID: "p3", Name: "web"}) }, ErrExists},
		"project renamed to one": {func(tx *Tx) error { return tx.UpdateProject(&Project{ID: "p2", Name: "web"}) }, ErrExists},
		"project not there":      {func(tx *Tx) error { return tx.UpdateProject(&Project{ID: "p9"}) }, ErrNotFound},
		"project owns a channel": {func(tx *Tx) error { return tx.DeleteProject("p1") }, ErrConflict},
		"policy name taken":      {func(tx *Tx) error { return tx.InsertPolicy(&Policy{ID: "q2", Name: "reader"}) }, ErrExists},
		"policy not there":       {func(tx *Tx) error { _, err := tx.DeletePolicy("q9"); return err }, ErrNotFound},
		"key of no policy":       {func(tx *Tx) error { return tx.InsertKey(&Key{ID: "k2", PolicyID: "q9"}) }, ErrConflict},
		"key with taken KID": {func(tx *Tx) error {
			return tx.InsertKey(&Key{ID: "k2", PolicyID: "q1", Secrets: []Secret{{KID: "kid"}}})
		}, ErrExists},
		"key not there":           {func(tx *Tx) error { _, err := tx.DeleteKey("k9"); return err }, ErrNotFound},
		"channel name taken":      {func(tx *Tx) error { return tx.InsertChannel(&Channel{Name: "main"}) }, ErrExists},
		"channel of no project":   {func(tx *Tx) error { return tx.InsertChannel(&Channel{Name: "x", ProjectID: "p9"}) }, ErrConflict},
		"channel not there":       {func(tx *Tx) error { return tx.DeleteChannel(99) }, ErrNotFound},
		"package file taken":      {func(tx *Tx) error { return tx.InsertPackage(pkg(id, "noarch", "a", "1", "y")) }, ErrExists},
		"package in no channel":   {func(tx *Tx) error { return tx.InsertPackage(pkg(99, "noarch", "a", "1", "y")) }, ErrNotFound},
		"package to replace":      {func(tx *Tx) error { return tx.UpdatePackage(pkg(id, "noarch", "b", "1", "y")) }, ErrNotFound},
		"package to yank":         {func(tx *Tx) error { return tx.YankPackage(id, "noarch", "nope", "") }, ErrNotFound},
		"package to delete":       {func(tx *Tx) error { return tx.DeletePackage(id, "linux-64", "a-1-0.conda") }, ErrNotFound},
		"Python name taken":       {func(tx *Tx) error { return tx.InsertPyName(&PyName{Name: "six"}) }, ErrExists},
		"Python name to change":   {func(tx *Tx) error { return tx.UpdatePyName(&PyName{Name: "seven"}) }, ErrNotFound},
		"Python name to delete":   {func(tx *Tx) error { return tx.DeletePyName("seven") }, ErrNotFound},
		"Python file taken":       {func(tx *Tx) error { return tx.InsertPyFile(&PyFile{Name: "six", Filename: "six-1.tar.gz"}) }, ErrExists},
		"Python file name reused": {func(tx *Tx) error { return tx.InsertPyFile(&PyFile{Name: "six", Filename: "six-2.tar.gz"}) }, ErrExists},
		"Python file of no name":  {func(tx *Tx) error { return tx.InsertPyFile(&PyFile{Name: "seven", Filename: "seven-1.tar.gz"}) }, ErrConflict},
		"Python file to yank":     {func(tx *Tx) error { return tx.YankPyFile("six-9.tar.gz", "") }, ErrNotFound},
		"Python file to delete":   {func(tx *Tx) error { return tx.DeletePyFile("six-9.tar.gz") }, ErrNotFound},
		"pattern reserved":        {func(tx *Tx) error { return tx.AddReserved("acme-*") }, ErrExists},
		"pattern to free":         {func(tx *Tx) error { return tx.RemoveReserved("nope") }, ErrNotFound},
	} {
		if _, err := tryUpdate(s, c.fn); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if s.Rev() != before {
		t.Errorf("revision went from %d to %d", before, s.Rev())
	}
	if problems, err := s.Check(ctx); err != nil || problems != nil {
		t.Errorf("check: %q, %v", problems, err)
	}
}

func TestReadsOfNothing(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	for name, read := range map[string]func() error{
		"project":    func() error { _, err := s.Project(ctx, "x"); return err },
		"policy":     func() error { _, err := s.Policy(ctx, "x"); return err },
		"key":        func() error { _, err := s.Key(ctx, "x"); return err },
		"channel":    func() error { _, err := s.Channel(ctx, "x"); return err },
		"package":    func() error { _, err := s.Package(ctx, 1, "noarch", "x"); return err },
		"tombstone":  func() error { _, err := s.Tombstone(ctx, 1, "noarch", "x", [32]byte{}); return err },
		"pyname":     func() error { _, err := s.PyName(ctx, "x"); return err },
		"pyfile":     func() error { _, err := s.PyFile(ctx, "x"); return err },
		"tombstoned": func() error { _, err := s.Tombstoned(ctx, "x"); return err },
	} {
		if err := read(); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if st, err := s.Subdir(ctx, 1, "noarch"); err != nil || st != (SubdirState{Subdir: "noarch"}) {
		t.Errorf("subdir: %+v, %v", st, err)
	}
	if p, err := s.PatchOf(ctx, 1, "noarch"); err != nil || p != nil {
		t.Errorf("patch: %s, %v", p, err)
	}
	if v, err := s.Setting(ctx, "x"); err != nil || v != "" {
		t.Errorf("setting: %q, %v", v, err)
	}
}

func TestAuditTrail(t *testing.T) {
	t.Parallel()
	c := &clock{1000}
	s := open(t, Options{Now: c.now})
	for i := range 25 {
		c.ms = int64(1000 + i)
		_, err := s.Update(ctx, Actor{KeyID: fmt.Sprint("k", i%2), Name: fmt.Sprint("key ", i%2)}, func(tx *Tx) error {
			if err := tx.SetSetting("x", fmt.Sprint(i)); err != nil {
				return err
			}
			return tx.Audit([]string{"a", "b", "c"}[i%3], "setting", fmt.Sprint("t", i), nil, map[string]int{"i": i})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SampleAudit(ctx, AuditRow{Actor: Actor{Address: "192.0.2.7"}, Action: "refused", Outcome: "403"}); err != nil {
		t.Fatal(err)
	}
	count := func(f AuditFilter) (n int) {
		for {
			rows, err := s.AuditRows(ctx, f)
			if err != nil {
				t.Fatal(err)
			}
			if len(rows) == 0 {
				return n
			}
			n += len(rows)
			f.Before = rows[len(rows)-1].ID
		}
	}
	for name, c := range map[string]struct {
		f    AuditFilter
		want int
	}{
		"all, by pages":   {AuditFilter{Limit: 4}, 26},
		"by key":          {AuditFilter{Actor: "k1"}, 12},
		"by name":         {AuditFilter{Actor: "key 0"}, 13},
		"by action":       {AuditFilter{Action: "b"}, 8},
		"by target":       {AuditFilter{Target: "t7", Kind: "setting"}, 1},
		"by time":         {AuditFilter{Since: 1010, Until: 1020}, 10},
		"by all of these": {AuditFilter{Actor: "k1", Action: "b", Kind: "setting", Since: 1010}, 2},
		"nobody":          {AuditFilter{Actor: "k9"}, 0},
	} {
		if got := count(c.f); got != c.want {
			t.Errorf("%s: %d rows, want %d", name, got, c.want)
		}
	}
	rows, _ := s.AuditRows(ctx, AuditFilter{Limit: 2})
	if rows[0].Outcome != "403" || rows[1].Outcome != "ok" || string(rows[1].After) != `{"i":24}` || rows[1].Before != nil {
		t.Errorf("newest: %+v, %+v", rows[0], rows[1])
	}
	if n, err := s.PruneAudit(ctx, 1020); err != nil || n != 20 {
		t.Errorf("pruned %d, %v", n, err)
	}
	if n := count(AuditFilter{}); n != 6 {
		t.Errorf("%d rows left", n)
	}
	if s.Rev() != 25 {
		t.Errorf("revision %d", s.Rev())
	}
}

func TestBackupIsAWholeCatalog(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	id := newChannel(t, s, "main")
	update(t, s, func(tx *Tx) error { return tx.InsertPackage(pkg(id, "noarch", "a", "1", "x")) })
	path := filepath.Join(t.TempDir(), "it's a copy.db")
	if err := s.Backup(ctx, path); err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(ctx, path); !errors.Is(err, ErrExists) {
		t.Errorf("backup over a backup: %v", err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("backup: %v, %v", fi.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".backup*")); left != nil {
		t.Errorf("left behind: %q", left)
	}
	want, _ := s.Package(ctx, id, "noarch", "a-1-0.conda")
	restored := openAt(t, path, Options{})
	got, err := restored.Package(ctx, id, "noarch", "a-1-0.conda")
	if err != nil || !cmp.Equal(want, got) || restored.Rev() != s.Rev() {
		t.Errorf("restored %+v at revision %d, %v", got, restored.Rev(), err)
	}
	if problems, err := restored.Check(ctx); err != nil || problems != nil {
		t.Errorf("check: %q, %v", problems, err)
	}
}

func TestCheckFindsWrongCounters(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	id := newChannel(t, s, "main")
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.InsertPackage(pkg(id, "noarch", "a", "1", "x")), tx.InsertPyName(&PyName{Name: "six"}))
	})
	err := s.quietly(ctx, func(tx *Tx) error {
		_, err1 := tx.exec("UPDATE subdirs SET packages = 7")
		_, err2 := tx.exec("UPDATE py_names SET files = 3")
		return errors.Join(err1, err2)
	})
	if err != nil {
		t.Fatal(err)
	}
	problems, err := s.Check(ctx)
	if err != nil || len(problems) != 2 || !strings.Contains(problems[0], "main/noarch counts 7 packages, 0 of them yanked, but has 1 and 0") ||
		!strings.Contains(problems[1], "six counts 3 files, but has 0") {
		t.Errorf("%q, %v", problems, err)
	}
}

// A file that cannot be opened is no damage: it may be for want of file handles.
func TestCannotOpenPasses(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", dsn(filepath.Join(t.TempDir(), "nowhere", "catalog.db")))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Ping(); !errors.Is(translate(err), ErrExhausted) || diskFailed(err) {
		t.Errorf("%v", err)
	}
}
