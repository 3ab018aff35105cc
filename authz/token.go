package authz

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"math/big"
)

// KeyType tells secret from public keys.
type KeyType uint8

const (
	SecretKey KeyType = iota // what its policy says
	PublicKey                // may be shown in a browser: reads open data, whatever its policy says
)

// String is "sk" or "pk", which is how the key's value begins.
func (t KeyType) String() string {
	if t == SecretKey {
		return "sk"
	}
	return "pk"
}

// ParseKeyType is String's inverse.
func ParseKeyType(s string) (KeyType, error) {
	switch s {
	case "sk":
		return SecretKey, nil
	case "pk":
		return PublicKey, nil
	}
	return 0, fmt.Errorf("%s is no type of key: sk or pk is expected", quote(s))
}

// A token is "sk-" or "pk-", a key id, a secret and a checksum, all base62:
//
//	sk-  ec54686CP3sX  …32…   …6…
//
// There is no underscore in it, for conda cuts tokens out of /t/<token>/ with
// [a-zA-Z0-9-]*. Its length is not OpenAI's, which scanners look for after "sk-".
const (
	prefixLen = len("sk-")
	kidLen    = 12
	secretLen = 32 // 190 bits
	sumLen    = 6
	bodyLen   = prefixLen + kidLen + secretLen
	shownLen  = 7 // of the key id, in a mask

	// TokenLen is the length of a token in bytes.
	TokenLen = bodyLen + sumLen
)

// Pattern is what a token looks like, as a regular expression, for scanners of
// leaked secrets; [ValidToken] tells ours from others'.
const Pattern = `\b(sk|pk)-[0-9A-Za-z]{50}\b`

// Secret is what a token is recognised by. A token cannot be got back from it.
type Secret struct {
	KID      string // key id: public, unique, part of the token
	KeyID    string // [Key.ID] of the key it belongs to; "" until it is known
	SHA256   [32]byte
	NotAfter int64  // Unix milliseconds from which it is refused; 0 for as long as its key lives
	Nonce    []byte // what a public key's token is derived from; nil for a secret key's
}

// NewToken makes a random token.
//
// At rest a SHA-256 of it is enough: slow hashes and salts protect what can be
// guessed, and 190 random bits cannot.
func NewToken(t KeyType) (token string, s Secret) {
	return assemble(t, randomDigits(kidLen+secretLen))
}

// DeriveToken makes the public key's token that root, key id and nonce stand for:
// the base62 digits of HMAC-SHA256(root, "pk", keyID, nonce). It can be told again
// without being stored. Another root gives another token.
func DeriveToken(root []byte, keyID string, nonce []byte) (token string, s Secret) {
	mac := hmac.New(sha256.New, root)
	_, _ = mac.Write([]byte("pk\x00" + keyID + "\x00"))
	_, _ = mac.Write(nonce)
	token, s = assemble(PublicKey, digitsOf(mac.Sum(nil), kidLen+secretLen))
	s.KeyID, s.Nonce = keyID, append([]byte(nil), nonce...)
	return token, s
}

// ValidToken reports whether s has the form and the checksum of a token. It says
// nothing about whether there is such a key.
func ValidToken(s string) bool {
	return len(s) == TokenLen && isPrefix(s[:prefixLen]) && base62(s[prefixLen:]) &&
		string(checksum(s[:bodyLen])) == s[bodyLen:]
}

// MaskedToken is how a key's value is shown once it is no longer known: its prefix
// and the first characters of its key id.
func MaskedToken(t KeyType, kid string) string {
	return t.String() + "-" + kid[:min(len(kid), shownLen)] + "****"
}

// formed reports whether s may be a token. The checksum is not looked at: the hash
// decides.
func formed(s string) bool { return len(s) == TokenLen && isPrefix(s[:prefixLen]) }

func assemble(t KeyType, digits []byte) (string, Secret) {
	token := t.String() + "-" + string(digits)
	token += string(checksum(token))
	return token, Secret{KID: string(digits[:kidLen]), SHA256: sha256.Sum256([]byte(token))}
}

func isPrefix(s string) bool { return s == "sk-" || s == "pk-" }

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func base62(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// salt makes the checksum ours: others' keys with the same prefix fail it.
const salt = "fairway"

// checksum is the CRC-32 (IEEE) of salt and body as base62 digits.
func checksum(body string) []byte {
	sum := crc32.ChecksumIEEE([]byte(salt + body))
	out := make([]byte, sumLen)
	for i := sumLen - 1; i >= 0; i-- {
		out[i] = alphabet[sum%62]
		sum /= 62
	}
	return out
}

// randomDigits draws n base62 digits. Bytes beyond the largest multiple of 62 are
// rejected, for a remainder alone would make some digits likelier.
func randomDigits(n int) []byte {
	const fair = 256 / 62 * 62
	out := make([]byte, 0, n)
	var buf [64]byte
	for len(out) < n {
		_, _ = rand.Read(buf[:]) // never fails
		for _, b := range buf {
			if b < fair && len(out) < n {
				out = append(out, alphabet[b%62])
			}
		}
	}
	return out
}

// digitsOf writes b, a big-endian number, as n base62 digits, the lowest first: the
// key id, which comes first, is then as even as the hash, and the one digit that
// 256 bits leave at zero is at the end.
func digitsOf(b []byte, n int) []byte {
	num, base, digit := new(big.Int).SetBytes(b), big.NewInt(62), new(big.Int)
	out := make([]byte, n)
	for i := range out {
		num.DivMod(num, base, digit)
		out[i] = alphabet[digit.Int64()]
	}
	return out
}
