package authz

import "testing"

func TestHideTokens(t *testing.T) {
	t.Parallel()
	token, _ := NewToken(SecretKey)
	mask := token[:10] + "****"
	for in, want := range map[string]string{
		"":                                   "",
		"channel \"lic\" does not exist":     "channel \"lic\" does not exist",
		token:                                mask,
		"t/" + token + "/lic":                "t/" + mask + "/lic",
		token + token + "x" + token[:20]:     mask + mask + "x" + token[:20],
		"sk-" + token + " é " + token + "\n": "sk-" + mask + " é " + mask + "\n",
	} {
		if got := HideTokens(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
