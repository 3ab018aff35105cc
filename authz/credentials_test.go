package authz

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func request(query string, headers ...string) *http.Request {
	r := &http.Request{Header: http.Header{}, URL: &url.URL{Path: "/x", RawQuery: query}}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func basicAuth(userPass string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(userPass))
}

func TestEveryFormOfACredentialIsTheSameKey(t *testing.T) {
	t.Parallel()
	const a = "Authorization"
	key, _ := NewToken(SecretKey)
	other, _ := NewToken(SecretKey)
	pad := strings.TrimRight(basicAuth("license:"+key), "=")
	tests := []struct {
		name string
		r    *http.Request
		path string
		want string
		err  error
	}{
		{"none", request(""), "", "", nil},
		{"Bearer", request("", a, "Bearer "+key), "", key, nil},
		{"bearer", request("", a, "bearer "+key), "", key, nil},
		{"BEARER and space", request("", a, " \tBEARER \t "+key+"  "), "", key, nil},
		{"token", request("", a, "token "+key), "", key, nil},
		{"License", request("", a, "License "+key), "", key, nil},
		{"Basic, pip's user", request("", a, basicAuth("__token__:"+key)), "", key, nil},
		{"Basic, Keygen's user", request("", a, basicAuth("license:"+key)), "", key, nil},
		{"Basic, no user", request("", a, basicAuth(":"+key)), "", key, nil},
		{"Basic, key as user", request("", a, basicAuth(key+":")), "", key, nil},
		{"Basic, key as user, blank password", request("", a, basicAuth(key+": ")), "", key, nil},
		{"Basic, newline pasted", request("", a, basicAuth("u:"+key+"\n")), "", key, nil},
		{"Basic, key in both", request("", a, basicAuth(key+":"+key)), "", key, nil},
		{"basic, lower case", request("", a, "basic"+basicAuth("u:" + key)[5:]), "", key, nil},
		{"Basic, unpadded", request("", a, pad), "", key, nil},
		{"X-API-Key", request("", "X-API-Key", " "+key+" "), "", key, nil},
		{"path", request(""), key, key, nil},
		{"all of them, the same", request("", a, "Bearer "+key, a, basicAuth("u:"+key), "X-API-Key", key), key, key, nil},
		{"other parameters", request("limit=3&tokens=1&x=token"), "", "", nil},
		{"blank header", request("", a, "  "), "", "", nil},
		{"blank X-API-Key", request("", "X-API-Key", ""), "", "", nil},
		{"blank header and a key", request("", a, "", "X-API-Key", key), "", key, nil},
		{"not ours", request("", a, "Bearer ghp_123"), "", "ghp_123", nil},

		// What is there but cannot be read is wrong, not absent.
		{"no scheme", request("", a, key), "", unreadable, nil},
		{"scheme alone", request("", a, "Bearer"), "", unreadable, nil},
		{"Bearer of nothing", request("", a, "Bearer  "), "", unreadable, nil},
		{"other scheme", request("", a, "Digest username=x"), "", unreadable, nil},
		{"Basic, no base64", request("", a, "Basic !!!"), "", unreadable, nil},
		{"Basic, no colon", request("", a, basicAuth(key)), "", unreadable, nil},
		{"Basic, empty", request("", a, basicAuth(":")), "", unreadable, nil},

		{"two headers", request("", a, "Bearer "+key, a, "Bearer "+other), "", "", ErrTwoCredentials},
		{"header and path", request("", a, "Bearer "+key), other, "", ErrTwoCredentials},
		{"header and X-API-Key", request("", a, basicAuth("u:"+key), "X-Api-Key", other), "", "", ErrTwoCredentials},
		{"three, two of them the same", request("", a, "Bearer "+key, "X-Api-Key", other), key, "", ErrTwoCredentials},
		{"readable and not", request("", a, "Negotiate abc", "X-Api-Key", key), "", "", ErrTwoCredentials},

		{"?token=", request("token=" + key), "", "", ErrQueryToken},
		{"?auth=", request("a=1&auth=license:" + key), "", "", ErrQueryToken},
		{"?Token=", request("Token=" + key), "", "", ErrQueryToken},
		{"?token, escaped", request("%74oken=" + key), "", "", ErrQueryToken},
		{"?token after ;", request("a=1;token=" + key), "", "", ErrQueryToken},
		{"?token and a header", request("token="+key, a, "Bearer "+key), "", "", ErrQueryToken},
		{"?token without a value", request("token"), "", "", ErrQueryToken},
	}
	for _, tt := range tests {
		got, err := Credentials(tt.r, tt.path)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v, want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
		if err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("%s: the error tells the key", tt.name)
		}
	}
}

func TestUnreadableCredentialsAreNoKey(t *testing.T) {
	t.Parallel()
	r := newRing()
	if got := status(r.Decide(unreadable, ChannelRead, opened, here, noon)); got != 401 {
		t.Errorf("an unreadable credential is %d on open data", got)
	}
}

// FuzzCredentials: a request with a credential is never taken for nobody's, and no
// error tells what it was.
func FuzzCredentials(f *testing.F) {
	f.Add("Bearer x", "", "", "")
	f.Add("Basic Og==", "k", "p", "token=1")
	f.Fuzz(func(t *testing.T, authorization, apiKey, path, query string) {
		token, err := Credentials(request(query, "Authorization", authorization, "X-Api-Key", apiKey), path)
		if err != nil {
			if token != "" || err != ErrTwoCredentials && err != ErrQueryToken {
				t.Fatalf("%q, %v", token, err)
			}
			return
		}
		blank := strings.TrimSpace(authorization) == "" && strings.TrimSpace(apiKey) == "" && strings.TrimSpace(path) == ""
		if blank != (token == "") {
			t.Fatalf("%q, %q, %q: token %q", authorization, apiKey, path, token)
		}
		if token != strings.TrimSpace(token) {
			t.Fatalf("%q is not trimmed", token)
		}
	})
}
