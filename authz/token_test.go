package authz

import (
	"bytes"
	"crypto/sha256"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var tokenForm = regexp.MustCompile(`^(sk|pk)-[0-9A-Za-z]{50}$`)

func TestTokensHaveTheirForm(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for i := range 2000 {
		kt := KeyType(i % 2)
		token, s := NewToken(kt)
		if !tokenForm.MatchString(token) || len(token) != TokenLen || !strings.HasPrefix(token, kt.String()+"-") {
			t.Fatalf("a token of the wrong form: length %d", len(token))
		}
		if s.SHA256 != sha256.Sum256([]byte(token)) || s.KID != token[3:15] || s.Nonce != nil || s.NotAfter != 0 {
			t.Fatal("the secret does not belong to its token")
		}
		if seen[token] || seen[s.KID] {
			t.Fatal("a token came twice")
		}
		seen[token], seen[s.KID] = true, true
		if !ValidToken(token) {
			t.Fatal("a fresh token fails its checksum")
		}
	}
	if !regexp.MustCompile(Pattern).MatchString("key=" + func() string { s, _ := NewToken(SecretKey); return s }() + "\n") {
		t.Error("the published pattern does not find a token")
	}
}

func TestDigitsAreEven(t *testing.T) {
	t.Parallel()
	const n = 62 * 4000
	var count [256]int
	for _, c := range randomDigits(n) {
		count[c]++
	}
	for _, c := range alphabet {
		// Six standard deviations; a remainder of 256 by 62 would be off by 20.
		if got := count[c]; got < 4000-380 || got > 4000+380 {
			t.Errorf("digit %c came %d times of %d", c, got, n)
		}
	}
}

func TestChecksumFindsEveryChangedCharacter(t *testing.T) {
	t.Parallel()
	token, _ := NewToken(SecretKey)
	for i := range token {
		for _, c := range []byte(alphabet + "-_*\x00\xff") {
			if c == token[i] {
				continue
			}
			if ValidToken(token[:i] + string([]byte{c}) + token[i+1:]) {
				t.Fatalf("character %d changed, and the checksum holds", i)
			}
		}
	}
	for _, s := range []string{"", "sk-", token[:52], token + "0", " " + token[:52], strings.ToUpper(token), "sk-" + strings.Repeat("0", 50)} {
		if ValidToken(s) {
			t.Errorf("%q passes", s)
		}
	}
}

func TestDerivedTokensCanBeToldAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		root := rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "root")
		id := rapid.StringMatching(`[0-9a-f-]{1,36}`).Draw(t, "id")
		nonce := rapid.SliceOfN(rapid.Byte(), 1, 16).Draw(t, "nonce")
		token, s := DeriveToken(root, id, nonce)
		again, s2 := DeriveToken(bytes.Clone(root), id, bytes.Clone(nonce))
		if token != again || s.SHA256 != s2.SHA256 || s.KID != s2.KID {
			t.Fatal("the same inputs give another token")
		}
		if !ValidToken(token) || !strings.HasPrefix(token, "pk-") || s.KeyID != id || s.SHA256 != sha256.Sum256([]byte(token)) {
			t.Fatal("a derived token of the wrong form")
		}
		for name, other := range map[string]func() (string, Secret){
			"root":  func() (string, Secret) { return DeriveToken(append(root, 1), id, nonce) },
			"id":    func() (string, Secret) { return DeriveToken(root, id+"0", nonce) },
			"nonce": func() (string, Secret) { return DeriveToken(root, id, append(bytes.Clone(nonce), 'x')) },
			// What ends the id must not be taken for the beginning of the nonce.
			"seam": func() (string, Secret) {
				return DeriveToken(root, id[:len(id)-1], append([]byte(id[len(id)-1:]), nonce...))
			},
		} {
			if got, s3 := other(); got == token || s3.KID == s.KID {
				t.Fatalf("another %s gives the same token", name)
			}
		}
	})
}

func TestMaskShowsNoSecret(t *testing.T) {
	t.Parallel()
	token, s := NewToken(SecretKey)
	k := Key{Type: SecretKey, KID: s.KID}
	if got := k.Masked(); got != token[:10]+"****" {
		t.Errorf("the mask is %s", got)
	}
	if got := MaskedToken(PublicKey, "ab"); got != "pk-ab****" {
		t.Errorf("the mask of a short id is %s", got)
	}
}
